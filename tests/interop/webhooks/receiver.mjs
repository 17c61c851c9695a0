// A receiver in Node that verifies with npm's `standardwebhooks`, and a signer: what it is told to sign it prints.
//
//   node receiver.mjs SECRET              prints "listening on PORT", then a line of JSON for each delivery
//   node receiver.mjs SECRET sign TEXT    prints the three fields for TEXT, signed now

import { createServer } from "node:http";
import { Webhook } from "standardwebhooks";

const [secret, action, text] = process.argv.slice(2);
const webhook = new Webhook(secret);

if (action === "sign") {
  const [id, at] = ["msg_from_node", new Date()];
  const fields = {
    "webhook-id": id,
    "webhook-timestamp": String(Math.floor(at / 1000)),
    "webhook-signature": webhook.sign(id, at, text),
  };
  console.log(JSON.stringify(fields));
} else {
  const server = createServer(async (request, response) => {
    const pieces = [];
    for await (const piece of request) pieces.push(piece);
    const body = Buffer.concat(pieces).toString();
    let verified = false;
    try {
      webhook.verify(body, request.headers);
      verified = true;
    } catch {
      // It is told below.
    }
    console.log(JSON.stringify({ verified, id: request.headers["webhook-id"], body }));
    response.writeHead(verified ? 204 : 401).end();
  });
  server.listen(0, "127.0.0.1", () => console.log(`listening on ${server.address().port}`));
}
