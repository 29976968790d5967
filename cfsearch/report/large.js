// Pictures enlarged: on click or with Enter, beside the original; arrows walk along the strip.
const large = byId("large");

function enlarged(source, caption, small) {
  return element("figure", {}, element("img", { src: source, alt: caption, ...(small ? { class: "tiny" } : {}) }), element("figcaption", {}, caption));
}

function showLarge(title, figures, words, link) {
  byId("large-title").replaceChildren(isolated(title));
  byId("large-pictures").replaceChildren(...figures);
  byId("large-words").replaceChildren(isolated(words));
  byId("large-link").hidden = !link;
  if (link) byId("large-link").setAttribute("href", link);
  if (!large.open) large.showModal();
}

function setUpLarge() {
  let walk = [];
  let at = 0;

  function step(by) {
    const next = at + by;
    if (next < 0 || next >= walk.length) return;
    at = next;
    const link = walk[at];
    const picture = link.querySelector("img");
    const tile = link.closest(".tile");
    const article = link.closest(".picture");
    const small = picture.classList.contains("tiny");
    const others = [...tile.querySelectorAll(":scope > img")].map((other) => enlarged(other.src, other.alt, small));
    const original = article.querySelector(".thumb img");
    const words = [...tile.querySelectorAll(".words li")].map((li) => li.textContent).join(", ");
    showLarge(
      article.querySelector(".name").textContent,
      [...(original ? [enlarged(original.src, "Original", small)] : []), enlarged(picture.src, picture.alt, small), ...others],
      `probability ${tile.querySelector(".v").textContent}: ${words || "nothing changed"}`,
      link.getAttribute("href"),
    );
  }

  for (const strip of document.querySelectorAll(".strip")) {
    const links = [...strip.querySelectorAll(".tile a")].filter((link) => link.querySelector("img"));
    links.forEach((link, i) => {
      link.setAttribute("aria-label", `Enlarge counterfactual ${i + 1} of ${links.length}`);
      link.setAttribute("aria-haspopup", "dialog");
      link.addEventListener("click", (event) => {
        event.preventDefault();
        walk = links;
        at = i;
        step(0);
      });
    });
  }
  for (const example of document.querySelectorAll(".example")) {
    const pictures = [...example.querySelectorAll(".pair img")];
    for (const picture of pictures) {
      const open = () => {
        walk = [];
        const figures = pictures.map((one) => enlarged(one.src, one.alt, one.classList.contains("tiny")));
        showLarge("Example", figures, example.querySelector("figcaption").textContent.trim().replace(/\s+/g, " "), "");
      };
      fill(picture, { tabindex: "0", role: "button", "aria-label": `Enlarge: ${picture.alt}`, "aria-haspopup": "dialog" }, []);
      picture.addEventListener("click", open);
      picture.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        open();
      });
    }
  }
  large.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    step(by);
  });
  large.addEventListener("click", (event) => {
    if (event.target === large) large.close();
  });
  byId("large-link").addEventListener("click", () => large.close());
}

if (large) setUpLarge();

