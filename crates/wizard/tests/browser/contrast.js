// Finds text with too little contrast: WCAG 2.2, 1.4.3 (AA), without the exception for large text.
const NEEDED = 4.5;
const scheme = arguments[0];
const problems = [];

const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
// Converts any notation of a colour into red, green, blue and opacity, from 0 to 1.
const parse = colour => {
  canvas.clearRect(0, 0, 1, 1);
  canvas.fillStyle = colour;
  canvas.fillRect(0, 0, 1, 1);
  return [...canvas.getImageData(0, 0, 1, 1).data].map(part => part / 255);
};
const over = (top, below) => top.slice(0, 3).map((part, i) => part * top[3] + below[i] * (1 - top[3]));
const luminance = colour => {
  const [red, green, blue] = colour.map(part => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};
const contrast = (one, other) => {
  const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
};
const background = element => {
  if (!element) return [1, 1, 1];
  const own = parse(getComputedStyle(element).backgroundColor);
  return own[3] === 1 ? own.slice(0, 3) : over(own, background(element.parentElement));
};

const elements = new Set(document.querySelectorAll("input"));
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  if (walker.currentNode.data.trim()) elements.add(walker.currentNode.parentElement);
}
for (const element of elements) {
  const behind = background(element);
  const ratio = contrast(over(parse(getComputedStyle(element).color), behind), behind);
  if (ratio < NEEDED) {
    problems.push(`${element.localName} "${element.innerText || element.id}" has contrast ${ratio.toFixed(2)}`);
  }
}
const brightness = luminance(background(document.body));
if ((scheme === "dark") !== brightness < 0.2) {
  problems.push(`a ${scheme} page has a brightness of ${brightness.toFixed(2)}`);
}
return problems;
