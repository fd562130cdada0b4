// Who is logged in: the token, the way to the login page and back.

const TOKEN = "authToken";
const PLACE = "pipesleuth.returnTo";
let left = 0;

export const token = () => localStorage.getItem(TOKEN) || null;

export const keep = (value) => localStorage.setItem(TOKEN, value);

// Asks for a later end of the session once half of its time is over.
export async function renew(api) {
	const { iat, exp } = JSON.parse(atob(token().split(".")[1].replace(/-/g, "+").replace(/_/g, "/")));
	if (Date.now() / 1000 > (iat + exp) / 2) keep((await api.post("/auth/renew")).access_token);
}

export function toLogin(reason) {
	if (left++) return;
	localStorage.removeItem(TOKEN);
	if (reason !== "out") sessionStorage.setItem(PLACE, location.pathname + location.search + location.hash);
	location.replace(reason ? `/login?reason=${reason}` : "/login");
}

export function goBack() {
	const place = sessionStorage.getItem(PLACE) ?? "";
	sessionStorage.removeItem(PLACE);
	location.replace(/^\/dashboard(?![^?#])/.test(place) ? place : "/dashboard");
}

export function watch(gone) {
	addEventListener("storage", (event) => {
		if (event.key === TOKEN && !event.newValue) gone();
	});
}
