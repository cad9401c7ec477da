addEventListener("unhandledrejection", (event) => failed(event.reason));
(facts.ways ? fromImages() : fromNoise()).catch(failed);
