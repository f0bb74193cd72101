// Opens the socket, and opens it anew when it is closed: after a moment, and as whoever the visitor is then.
const say = document.getElementById("say");
const state = document.getElementById("state");

function open() {
  const socket = new WebSocket(new URL(say.dataset.talk, location.href.replace(/^http/, "ws")));
  socket.onopen = () => { state.textContent = "You are in the room."; };
  socket.onmessage = (event) => {
    const line = document.createElement("li");
    line.textContent = event.data;
    document.getElementById("said").append(line);
  };
  socket.onclose = (event) => {
    state.textContent = event.reason || "The line is cut.";
    // 1008: the session is over. A page that is loaded anew knows who the visitor is now.
    setTimeout(() => event.code === 1008 ? location.reload() : open(), 2000);
  };
  say.onsubmit = (event) => {
    event.preventDefault();
    const words = document.getElementById("words");
    if (words.value && socket.readyState === WebSocket.OPEN) {
      socket.send(words.value);
      words.value = "";
    }
  };
}

if (say) open();
