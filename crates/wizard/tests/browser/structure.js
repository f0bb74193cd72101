// Problems for users of screen readers, and any script, inline style or resource from elsewhere in the page.
const problems = [];
const expect = (fine, problem) => fine || problems.push(problem);
const all = selector => [...document.querySelectorAll(selector)];

expect(document.documentElement.lang, "the page has no language");
expect(document.title.trim().length > 3, "the page has no title");
expect(document.querySelector("meta[name=viewport]"), "the page has no viewport");
expect(all("h1").length === 1, "the page has not exactly one h1");
expect(all("main").length === 1, "the page has not exactly one main");

expect(all("script").length === 0, "the page has a script");
expect(all("style, [style]").length === 0, "the page has inline style");
for (const element of all("*")) {
  const handler = element.getAttributeNames().find(name => name.startsWith("on"));
  expect(!handler, `<${element.localName}> has ${handler}`);
}
for (const { name } of performance.getEntriesByType("resource")) {
  expect(name.startsWith(location.origin) || name.startsWith("data:"), `${name} comes from elsewhere`);
}

const ids = all("[id]").map(element => element.id);
expect(new Set(ids).size === ids.length, "an id is used twice");
for (const attribute of ["aria-describedby", "aria-labelledby"]) {
  for (const element of all(`[${attribute}]`)) {
    for (const id of element.getAttribute(attribute).split(/\s+/)) {
      expect(document.getElementById(id), `${attribute} names ${id}, which is not there`);
    }
  }
}
for (const field of all("input, select, textarea")) {
  expect(field.labels.length === 1 && field.labels[0].innerText.trim(), `${field.name} has no label`);
  expect(field.required && field.maxLength === 80, `${field.name} does not say its limits`);
  expect(field.autocomplete, `${field.name} does not say how to complete it`);
}
for (const control of all("a[href], button")) {
  expect(control.innerText.trim(), `<${control.localName}> has no name`);
}
for (const drawing of all("svg")) {
  expect(drawing.ariaHidden === "true", "a decoration is read aloud");
}
return problems;
