/** Questions to the server: Bearer, JSON, and one kind of error with a sentence a person can use. */

/** What went wrong: `status` 0 when the server was not reached; `detail` is the sentence. */
export class ApiError extends Error {
  constructor(status, { detail, field, code } = {}) {
    super(typeof detail === "string" && detail ? detail : sentence(status));
    Object.assign(this, { status, field: field ?? null, code: code ?? null });
  }
}

function sentence(status) {
  if (status === 0) return "Pipesleuth cannot be reached. Check the connection; this page keeps trying.";
  if (status === 403) return "Your role does not allow this.";
  if (status === 404) return "This is not here (any more).";
  if (status === 429) return "Too many requests just now. Please wait a moment.";
  if (status === 503) return "Pipesleuth cannot reach its database just now. This page keeps trying.";
  return `The server answered ${status}.`;
}

export class Api {
  #token;
  #gone;
  #clock;

  /** `token()` gives the Bearer token or null; `gone()` is called when the server no longer accepts it. */
  constructor({ token = () => null, gone = () => {}, clock = null } = {}) {
    this.#token = token;
    this.#gone = gone;
    this.#clock = clock;
  }

  /** The JSON answer to a GET; `asked` are URLSearchParams or a plain object. */
  async get(path, asked = null, { signal } = {}) {
    const search = asked ? new URLSearchParams(asked).toString() : "";
    const before = this.#clock?.ticks();
    const answer = await this.#json(await this.#send(search ? `${path}?${search}` : path, { signal }));
    if (answer?.server_time) this.#clock?.heard(answer.server_time, before);
    return answer;
  }

  async post(path, body = {}) {
    const headers = { "Content-Type": "application/json" };
    return this.#json(await this.#send(path, { method: "POST", headers, body: JSON.stringify(body) }));
  }

  /** A file: its bytes and the name the server gave it (or the one proposed). */
  async file(path, asked, name) {
    const search = asked?.toString();
    const answer = await this.#send(search ? `${path}?${search}` : path, {});
    const said = /filename="?([\w.-]+)"?/.exec(answer.headers.get("Content-Disposition") ?? "");
    return { blob: await answer.blob(), name: said?.[1] ?? name };
  }

  async #send(path, options) {
    const headers = { Accept: "application/json", ...options.headers };
    const token = this.#token();
    if (token) headers.Authorization = `Bearer ${token}`;
    let answer;
    try {
      answer = await fetch(path, { ...options, headers, credentials: "same-origin", cache: "no-store" });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new ApiError(0);
    }
    if (answer.ok) return answer;
    const said = await answer.json().catch(() => ({}));
    if (answer.status === 401 && token) this.#gone();
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
