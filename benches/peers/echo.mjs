// The echo of ws, as its documentation shows it. Prints its address, as every server here does.

import { WebSocketServer } from 'ws';

const server = new WebSocketServer({ host: '127.0.0.1', port: 0 }, () => {
    const { address, port } = server.address();
    console.log(`${address}:${port}`);
});

server.on('connection', (socket) => {
    socket.on('error', () => socket.terminate());
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
});
