// Socket.IO as its documentation has it: io.emit, WebSocket alone.
import { createServer } from "node:http"
import { Server } from "socket.io"

const http = createServer((request, response) => {
	const parts = []
	request.on("data", (part) => parts.push(part))
	request.on("end", () => {
		io.emit("publication", JSON.parse(Buffer.concat(parts).toString()))
		response.writeHead(200, { "Content-Length": 0 }).end()
	})
})
const io = new Server(http, { transports: ["websocket"], serveClient: false })
http.listen({ port: Number(process.argv[2]), host: "127.0.0.1", backlog: 4096 })
