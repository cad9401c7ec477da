// The pages of the studio: address, title, icon for the navigation, and the function that opens it in an element.
// `open(body, rest, query)` returns a function that ends the page, or nothing.

const later = (file, name = "open") => async (...given) => (await import(file))[name](...given);

export const pages = [
  { name: "", title: "Runs", icon: "M4 5h7v6H4zM13 5h7v6h-7zM4 13h7v6H4zM13 13h7v6h-7z", open: later("./runs.js") },
  { name: "new", title: "New run", icon: "M12 5v14M5 12h14", open: later("./start.js") },
  { name: "run", title: "Run", under: "", open: later("./run.js") },
  { name: "play", title: "Play", icon: "M4 8h10M18 8h2M4 16h2M10 16h10M16 6v4M8 14v4", open: later("./play.js") },
  { name: "compare", title: "Compare", icon: "M5 19V9M12 19V5M19 19v-7", open: later("./compare.js") },
  { name: "classroom", title: "Classroom", icon: "M3 9l9-5 9 5-9 5zM7 11.5V16c3 2 7 2 10 0v-4.5M21 9v6", open: later("./classroom.js") },
];
