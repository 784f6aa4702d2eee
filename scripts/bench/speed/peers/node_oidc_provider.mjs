// Runs node-oidc-provider with what tokens.py needs: see README.md in this folder.
//   node node_oidc_provider.mjs PORT FILE     writes refresh tokens to FILE, then listens
import { generateKeyPairSync } from "node:crypto";
import { writeFileSync } from "node:fs";
import { Provider } from "oidc-provider";

const [port, file] = process.argv.slice(2);
const API = "https://api.example";
const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const key = { ...privateKey.export({ format: "jwk" }), alg: "RS256", use: "sig", kid: "key" };

// The provider's own storage in memory keeps only the newest thousand rows, and so loses grants that are in use.
class Memory {
  static rows = new Map();
  constructor(kind) {
    this.kind = kind;
  }
  async upsert(id, row) {
    Memory.rows.set(this.kind + id, row);
  }
  async find(id) {
    return Memory.rows.get(this.kind + id);
  }
  async consume(id) {
    Memory.rows.get(this.kind + id).consumed = Math.floor(Date.now() / 1000);
  }
  async destroy(id) {
    Memory.rows.delete(this.kind + id);
  }
  async revokeByGrantId() {}
}

const provider = new Provider(`http://127.0.0.1:${port}`, {
  adapter: Memory,
  jwks: { keys: [key] },
  cookies: { keys: ["not used"] },
  clients: [
    {
      client_id: "machine",
      client_secret: "s".repeat(43),
      grant_types: ["client_credentials", "refresh_token", "authorization_code"],
      redirect_uris: ["https://app.example/callback"],
      token_endpoint_auth_method: "client_secret_basic",
    },
  ],
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  rotateRefreshToken: true,
  scopes: ["offline_access", "read"],
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => API,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({ scope: "read", accessTokenFormat: "jwt", jwt: { sign: { alg: "RS256" } } }),
    },
  },
});

async function refreshToken(number) {
  const accountId = `user${number}`;
  const grant = new provider.Grant({ accountId, clientId: "machine" });
  grant.addResourceScope(API, "read");
  const grantId = await grant.save();
  const client = await provider.Client.find("machine");
  const token = new provider.RefreshToken({
    accountId, client, grantId, scope: "read", resource: API, gty: "authorization_code",
  });
  return token.save();
}

const tokens = await Promise.all(Array.from({ length: 256 }, (_, number) => refreshToken(number)));
writeFileSync(file, tokens.join("\n"));
provider.listen(port, "127.0.0.1", () => console.log(`listening on port ${port}`));
