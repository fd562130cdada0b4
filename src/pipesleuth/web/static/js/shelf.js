// The cards: up to 200 stand whole, of longer lists only the blocks near the window are in the document.

import { element, html } from "./template.js";

const BLOCK = 24; // divides by 1, 2, 3, 4 and 6 columns, so that no block ends ragged
const WHOLE = 200;
const NEAR = "1000px";
export const READING = 60; // scrolled further than this, a person reads

export class Shelf {
	#root;
	#make;
	#update;
	#blocks = [];
	#made = new Map(); // ticket id → {article, card}; only what is in the document
	#watch;
	#height = 190;
	#whole = true;

	constructor(root, make, update) {
		[this.#root, this.#make, this.#update] = [root, make, update];
		this.#watch = new IntersectionObserver((entries) => this.#moved(entries), { rootMargin: `${NEAR} 0px` });
	}

	// Shows named groups of cards; what is being read stays where it is.
	show(groups) {
		this.#whole = groups.reduce((sum, group) => sum + group.cards.length, 0) <= WHOLE;
		const wanted = groups.flatMap((group) => {
			const blocks = [];
			const size = this.#whole ? WHOLE : BLOCK;
			for (let at = 0; at < group.cards.length; at += size)
				blocks.push({ group: at ? null : group, cards: group.cards.slice(at, at + size) });
			return blocks;
		});
		this.#still(() => {
			while (this.#blocks.length > wanted.length) this.#drop(this.#blocks.pop());
			wanted.forEach((want, n) => this.#put(n, want));
		});
	}

	ids() {
		return this.#blocks.flatMap((block) => block.cards.map((card) => card.id));
	}

	article(id) {
		const block = this.#blocks.find((one) => one.cards.some((card) => card.id === id));
		if (block && !block.near) this.#draw(block);
		return this.#made.get(id)?.article ?? null;
	}

	#put(n, { group, cards }) {
		const block = (this.#blocks[n] ??= this.#newBlock());
		block.cards = cards;
		block.head.hidden = !group?.name;
		block.head.textContent = group?.name ? `${group.name} · ${group.cards.length}` : "";
		if (this.#whole || block.near || n === 0) this.#draw(block);
		else this.#empty(block);
	}

	#newBlock() {
		const root = element(html`<div class="block"><h3 class="group" dir="auto"></h3><div class="cards"></div></div>`);
		const block = { root, head: root.firstElementChild, grid: root.lastElementChild, cards: [], near: false };
		root.block = block;
		this.#root.append(root);
		this.#watch.observe(root);
		return block;
	}

	#drop(block) {
		this.#watch.unobserve(block.root);
		block.root.remove();
	}

	#draw(block) {
		const articles = block.cards.map((card) => this.#article(card));
		const keep = new Set(articles);
		for (const child of [...block.grid.children]) if (!keep.has(child)) child.remove();
		let next = block.grid.firstElementChild;
		for (const article of articles) {
			if (article === next) next = next.nextElementSibling;
			else block.grid.insertBefore(article, next);
		}
		block.grid.style.minHeight = "";
	}

	#article(card) {
		const made = this.#made.get(card.id) ?? { article: this.#make(card) };
		this.#made.set(card.id, made);
		if (made.card !== card) {
			made.card = card;
			this.#update(made.article, card);
		}
		return made.article;
	}

	#empty(block) {
		const { grid, cards } = block;
		const drawn = grid.childElementCount;
		if (!drawn && block.room === cards.length) return;
		const columns = getComputedStyle(grid).gridTemplateColumns.split(" ").length;
		const guess = Math.ceil(cards.length / columns) * this.#height;
		grid.style.minHeight = `${drawn === cards.length ? grid.offsetHeight : guess}px`;
		grid.replaceChildren();
		block.room = cards.length;
	}

	#moved(entries) {
		this.#still(() => {
			for (const { target, isIntersecting } of entries) {
				const block = target.block;
				if (block.near === isIntersecting) continue;
				const article = block.grid.firstElementChild;
				if (article) this.#height = article.offsetHeight + 10;
				block.near = isIntersecting;
				if (this.#whole) continue;
				if (isIntersecting) this.#draw(block);
				else if (!block.grid.contains(document.activeElement)) this.#empty(block);
			}
		});
	}

	// Does the work and moves the page by as much as the first card in sight was moved.
	#still(work) {
		const focus = document.activeElement;
		const anchor = scrollY > 0 ? this.#anchor() : null;
		const before = anchor?.getBoundingClientRect().top;
		work();
		for (const [id, { article }] of this.#made) if (!article.isConnected) this.#made.delete(id);
		if (focus?.isConnected && focus !== document.activeElement && this.#root.contains(focus))
			focus.focus({ preventScroll: true });
		const moved = anchor?.isConnected ? anchor.getBoundingClientRect().top - before : 0;
		if (Math.abs(moved) >= 1) scrollBy({ top: moved, behavior: "instant" });
	}

	#anchor() {
		const edge = document.querySelector("#bar")?.getBoundingClientRect().bottom ?? 0;
		for (const block of this.#blocks) {
			if (block.root.getBoundingClientRect().bottom <= edge) continue;
			for (const article of block.grid.children) if (article.getBoundingClientRect().bottom > edge) return article;
		}
		return null;
	}
}
