/** Who is logged in: the token in localStorage, the way to the login page and back. */

const TOKEN = "authToken";
const PLACE = "pipesleuth.returnTo";

/** The token, or null. */
export function token() {
  return localStorage.getItem(TOKEN) || null;
}

export function keep(value) {
  localStorage.setItem(TOKEN, value);
}

export function forget() {
  localStorage.removeItem(TOKEN);
}

/** Remembers where one was and goes to the login page; `reason` is a word the login page has a sentence for. */
export function toLogin(reason) {
  forget();
  if (reason !== "out") sessionStorage.setItem(PLACE, location.pathname + location.search + location.hash);
  location.replace(reason ? `/login?reason=${reason}` : "/login");
}

/** Goes back to where one was before the login; only ever to the dashboard. */
export function goBack() {
  const place = sessionStorage.getItem(PLACE) ?? "";
  sessionStorage.removeItem(PLACE);
  location.replace(/^\/dashboard(?![^?#])/.test(place) ? place : "/dashboard");
}

/** Calls `gone` when another tab logs out. */
export function watch(gone) {
  addEventListener("storage", (event) => {
    if (event.key === TOKEN && !event.newValue) gone();
  });
}
