# SPDX-License-Identifier: BSD-2-Clause
"""What the page does: it filters by name. Everything is there without it; it loads nothing and sends nothing."""

from __future__ import annotations

# Elements name the components and memory regions that they are about in data-c, one in each line.
SCRIPT = """
addEventListener("DOMContentLoaded", () => {
  const box = document.getElementById("filter"), told = document.getElementById("found");
  const marked = [...document.querySelectorAll("[data-c]")].map(e => [e, e.dataset.c.toLowerCase().split("\\n")]);
  const names = new Set([...document.querySelectorAll("#names option")].map(e => e.value.toLowerCase()));
  const apply = () => {
    const wanted = box.value.trim().toLowerCase();
    const fits = names.has(wanted) ? name => name === wanted : name => name.includes(wanted);
    const near = new Set();
    for (const [e, about] of marked) {
      const off = wanted !== "" && !about.some(fits);
      e.classList.toggle("off", off);
      if (!off && e.matches(".channel, .item")) for (const name of about) near.add(name);
    }
    // Those at the other end of what is shown stay readable.
    for (const [e, about] of marked) e.classList.toggle("near", e.matches(".box.off, .item.off") && near.has(about[0]));
    const found = wanted === "" ? [] : [...names].filter(fits);
    told.textContent = wanted === "" ? "" : found.length === 1 ? found[0] : found.length + " names";
    document.body.classList.toggle("filtered", wanted !== "");
  };
  const show = name => { box.value = box.value === name ? "" : name; apply(); };
  const find = () => {
    const first = document.querySelector(".components .box:not(.off), .components .item:not(.off)");
    if (first) first.scrollIntoView({ block: "center", behavior: "smooth" });
  };
  box.addEventListener("input", () => { apply(); if (names.has(box.value.trim().toLowerCase())) find(); });
  box.addEventListener("keydown", event => {
    if (event.key === "Escape") { box.value = ""; apply(); }
    if (event.key === "Enter") find();
  });
  document.getElementById("all").addEventListener("click", () => { box.value = ""; apply(); });
  for (const e of document.querySelectorAll("[data-name]"))
    e.addEventListener("click", event => { if (!event.target.closest("a")) show(e.dataset.name); });
  for (const e of document.querySelectorAll("[data-line]"))
    e.addEventListener("click", () => { location.hash = "L" + e.dataset.line; });
  for (const each of document.querySelectorAll("input[data-kind]"))
    each.addEventListener("change", () => document.body.classList.toggle("no-" + each.dataset.kind, !each.checked));
  const open = () => {
    const at = document.getElementById(location.hash.slice(1));
    for (let e = at; e; e = e.parentElement) if (e.tagName === "DETAILS") e.open = true;
    if (at && at !== document.body) at.scrollIntoView({ block: at.closest(".source") ? "center" : "start" });
  };
  addEventListener("hashchange", open);
  document.body.classList.add("live");
  open();
});
"""
