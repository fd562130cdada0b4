// Questions to the server, and one kind of error with a sentence a person can use.

const AWAY = "Pipesleuth cannot be reached. Check the connection; this page keeps trying.";

export class ApiError extends Error {
	constructor(status, { detail, field } = {}) {
		super((typeof detail === "string" && detail) || (status ? `The server answered ${status}.` : AWAY));
		Object.assign(this, { status, field });
	}
}

const asking = (path, asked) => (asked ? `${path}?${new URLSearchParams(asked)}` : path);

export class Api {
	constructor({ token = () => null, gone = () => {}, clock = null } = {}) {
		Object.assign(this, { token, gone, clock });
	}

	async get(path, asked = null, { signal } = {}) {
		const before = this.clock?.ticks();
		const answer = await this.#json(await this.#send(asking(path, asked), { signal }));
		if (answer?.server_time) this.clock?.heard(answer.server_time, before);
		return answer;
	}

	async post(path, body = {}) {
		const headers = { "Content-Type": "application/json" };
		return this.#json(await this.#send(path, { method: "POST", headers, body: JSON.stringify(body) }));
	}

	async remove(path) {
		return this.#json(await this.#send(path, { method: "DELETE" }));
	}

	async file(path, asked) {
		const answer = await this.#send(asking(path, asked), {});
		const [, name] = /filename="([\w.-]+)"/.exec(answer.headers.get("Content-Disposition"));
		return { blob: await answer.blob(), name };
	}

	async #send(path, options) {
		const headers = { ...options.headers };
		const token = this.token();
		if (token) headers.Authorization = `Bearer ${token}`;
		let answer;
		try {
			answer = await fetch(path, { ...options, headers, cache: "no-store" });
		} catch (error) {
			if (error.name === "AbortError") throw error;
			throw new ApiError(0);
		}
		if (answer.ok) return answer;
		const said = await answer.json().catch(() => ({}));
		if (answer.status === 401 && token) this.gone();
		throw new ApiError(answer.status, said ?? {});
	}

	async #json(answer) {
		const text = await answer.text();
		try {
			return text ? JSON.parse(text) : {};
		} catch {
			throw new ApiError(answer.status, { detail: "The answer could not be read. Is a proxy in between?" });
		}
	}
}
