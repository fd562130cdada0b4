/* Dark, light or as the system says. A classic script, so that the page is never drawn in the wrong one. */
(() => {
	const [key, root] = ["pipesleuth.theme", document.documentElement];
	const chosen = localStorage.getItem(key);
	if (chosen) root.dataset.theme = chosen;
	document.addEventListener("click", (event) => {
		if (!event.target.closest("[data-theme-switch]")) return;
		const now = root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
		root.dataset.theme = now === "dark" ? "light" : "dark";
		localStorage.setItem(key, root.dataset.theme);
	});
})();
