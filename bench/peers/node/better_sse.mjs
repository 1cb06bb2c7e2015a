// better-sse as its readme has it: a channel, a session a request, broadcast.
import { createServer } from "node:http"
import { createChannel, createSession } from "better-sse"

const channel = createChannel()

function body(request) {
	return new Promise((resolve) => {
		const parts = []
		request.on("data", (part) => parts.push(part))
		request.on("end", () => resolve(Buffer.concat(parts).toString()))
	})
}

createServer(async (request, response) => {
	if (request.method === "POST") {
		channel.broadcast(JSON.parse(await body(request)), "message")
		response.writeHead(200, { "Content-Length": 0 }).end()
	} else {
		channel.register(await createSession(request, response, { keepAlive: null }))
	}
}).listen({ port: Number(process.argv[2]), host: "127.0.0.1", backlog: 4096 })
