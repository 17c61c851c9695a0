// Fan-out by ws, as the broadcast of its documentation: what one client of a channel sends, all of them get. A channel
// is a path; who connects with ?publish sends only. POST publishes too.

import { createServer } from 'node:http';
import WebSocket, { WebSocketServer } from 'ws';

const channels = new Map();

function clientsOf(path) {
    let clients = channels.get(path);
    if (!clients) channels.set(path, (clients = new Set()));
    return clients;
}

function broadcast(path, data, isBinary) {
    for (const client of clientsOf(path)) {
        if (client.readyState === WebSocket.OPEN) client.send(data, { binary: isBinary });
    }
}

const http = createServer((request, response) => {
    const pieces = [];
    request.on('data', (piece) => pieces.push(piece));
    request.on('end', () => {
        broadcast(request.url, Buffer.concat(pieces), false);
        response.writeHead(201).end();
    });
});

const server = new WebSocketServer({ server: http });

server.on('connection', (socket, request) => {
    const [path, query] = request.url.split('?');
    socket.on('error', () => socket.terminate());
    socket.on('message', (data, isBinary) => broadcast(path, data, isBinary));
    if (query !== 'publish') {
        const clients = clientsOf(path);
        clients.add(socket);
        socket.on('close', () => clients.delete(socket));
    }
});

http.listen(0, '127.0.0.1', () => {
    const { address, port } = http.address();
    console.log(`${address}:${port}`);
});
