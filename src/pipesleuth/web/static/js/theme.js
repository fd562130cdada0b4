/* Dark, light or as the system says. A classic script, so that the page is never drawn in the wrong one. */
(() => {
	const KEY = "pipesleuth.theme";
	const root = document.documentElement;
	const system = matchMedia("(prefers-color-scheme: dark)");
	const read = () => {
		try {
			return localStorage.getItem(KEY);
		} catch {
			return null; // storage can be forbidden; the system's wish then stands
		}
	};
	const chosen = read();
	if (chosen) root.dataset.theme = chosen;
	document.addEventListener("click", (event) => {
		if (!event.target.closest?.("[data-theme-switch]")) return;
		const next = (root.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark" ? "light" : "dark";
		root.dataset.theme = next;
		localStorage.setItem(KEY, next);
	});
})();
