// server.mjs CERTIFICATE KEY LOG SCRIPT -- an HTTP/2 server that may refuse what it is asked; HTTP/1.1 by ALPN too.
//
// SCRIPT is a JSON object. `answers`: what the requests over HTTP/2 get, in their order: "ok", the name of an HTTP/2
// error code, "GOAWAY", which says that the stream was not looked at, "ok NAME": the whole answer and then that error
// code, "cut NAME": half of it, or "early": the whole answer before the request's body is read, and then NO_ERROR
// (RFC 9113, 8.1), or "late NAME": that error code once HTTP/1.1 is idle. All others read the request first. The last
// one is for all that follow. `answers1`: the same over HTTP/1.1: "ok", "slow": 400, when a late one waits, or
// "end": no answer, and the end of the connection. `body`: that of "ok". Each request is a line in LOG: HTTP version, method, number of the connection.
// Prints {"endpoint", "pid"} when it listens; ends with its stdin.

import { appendFileSync, readFileSync } from "node:fs"
import http2 from "node:http2"

const [certificate, key, log, text] = process.argv.slice(2)
const { answers, answers1 = ["ok"], body } = JSON.parse(text)
const server = http2.createSecureServer({ cert: readFileSync(certificate), key: readFileSync(key), allowHTTP1: true })
const numbers = new Map()
let count = 0, count1 = 0
let slow, late

function numberOf (connection) {
  if (!numbers.has(connection)) numbers.set(connection, numbers.size + 1)
  return numbers.get(connection)
}

// Once both a slow and a late answer wait, the slow one is given, and then the late one.
function meet () {
  if (!slow || !late) return
  const first = slow, second = late
  slow = late = undefined
  first.end(body, () => setImmediate(second))
}

function answer (what, request, response) {
  if (what === "ok" || what === "early") {
    response.writeHead(200, { "content-type": "application/json" })
    response.end(body)
  } else if (what.startsWith("ok ")) {
    response.writeHead(200, { "content-type": "application/json" })
    response.end(body, () => request.stream.close(http2.constants["NGHTTP2_" + what.slice(3)]))
  } else if (what.startsWith("cut ")) {
    response.writeHead(200, { "content-type": "application/json", "content-length": body.length })
    response.write(body.slice(0, 50), () => request.stream.close(http2.constants["NGHTTP2_" + what.slice(4)]))
  } else if (what.startsWith("late ")) {
    late = () => request.stream.close(http2.constants["NGHTTP2_" + what.slice(5)])
    meet()
  } else if (what === "slow") {
    response.writeHead(400, { "content-type": "application/json", "content-length": body.length })
    slow = response
    meet()
  } else if (what === "end") {
    request.socket.destroy()
  } else if (what === "GOAWAY") {
    request.stream.session.goaway(http2.constants.NGHTTP2_NO_ERROR, request.stream.id - 2)
    request.stream.close(http2.constants.NGHTTP2_REFUSED_STREAM)
  } else {
    request.stream.close(http2.constants["NGHTTP2_" + what])
  }
}

server.on("request", (request, response) => {
  const session = request.stream?.session
  const connection = numberOf(session ?? request.socket)
  appendFileSync(log, `${request.httpVersion} ${request.method} ${connection}\n`)
  const what = session ? answers[Math.min(count++, answers.length - 1)]
    : answers1[Math.min(count1++, answers1.length - 1)]
  if (what === "early") answer(what, request, response)
  else request.on("end", () => answer(what, request, response)).resume()
})

server.listen(0, "127.0.0.1", () => {
  console.log(JSON.stringify({ endpoint: `https://127.0.0.1:${server.address().port}`, pid: process.pid }))
})
process.stdin.on("end", () => process.exit(0)).resume()
