// Who is logged in: the token in localStorage, the way to the login page and back.

const TOKEN = "authToken";
const PLACE = "pipesleuth.returnTo";

export const token = () => localStorage.getItem(TOKEN) || null;

export const keep = (value) => localStorage.setItem(TOKEN, value);

export function toLogin(reason) {
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
