// The gallery in pages, a search by name, and everything open on paper.
const PAGE = 48;

function setUpGallery() {
  const articles = [...document.querySelectorAll("#articles > .picture")];
  const find = byId("find");
  const more = document.querySelector("#gallery .more");
  let room = PAGE;

  function arrange() {
    const text = find.value.trim().toLowerCase();
    const names = articles.filter((a) => !text || a.querySelector(".name").textContent.toLowerCase().includes(text));
    const visible = new Set(names.slice(0, room));
    for (const article of articles) article.hidden = !visible.has(article);
    more.hidden = names.length <= room;
    byId("foundcount").textContent = names.length > room || text ? `${visible.size} of ${names.length} ${data.thing ?? "picture"}s` : "";
  }

  find.addEventListener("input", () => {
    room = PAGE;
    arrange();
  });
  byId("more").addEventListener("click", () => {
    room += PAGE;
    arrange();
  });
  const button = byId("openall");
  button.addEventListener("click", () => {
    const open = button.textContent === "Open all";
    for (const article of articles) if (!article.hidden) article.open = open;
    button.textContent = open ? "Close all" : "Open all";
  });
  document.querySelector("#gallery .tools").hidden = articles.length < 2;
  arrange();
}

if (document.querySelector("#articles > .picture")) setUpGallery();

const opened = [];
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details:not([open]):not(.recon)")) {
    details.open = true;
    opened.push(details);
  }
});
addEventListener("afterprint", () => {
  for (const details of opened.splice(0)) details.open = false;
});

document.documentElement.dataset.ready = "yes";
