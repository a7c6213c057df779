#!/usr/bin/env python3
"""Logs in with `llmx login` at a real OpenID provider, npm's `oidc-provider`, on loopback; needs node and npm.

    python3 tests/live/oidc_provider.py [--node-modules DIR] [--llmx PATH] [--port N]

Installs the provider into DIR (default target/live/oidc) unless it is there. Not part of the everyday suite. Checks: the
browser flow with PKCE up to the page at the end, `auth.json` with the mode 0600 and a refresh token, `login status`, and a
logout that revokes. Exit code 0 if all hold.
"""
import argparse, http.cookiejar, json, os, re, stat, subprocess, sys, tempfile, urllib.parse, urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SERVER = """
import { Provider } from 'oidc-provider';
const port = Number(process.argv[2]);
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{ client_id: 'llmx-test', application_type: 'native', token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'],
    redirect_uris: ['http://localhost/auth/callback'] }],
  pkce: { required: () => true, methods: ['S256'] },
  conformIdTokenClaims: false,
  claims: { openid: ['sub'], email: ['email'], profile: ['name'] },
  features: { devInteractions: { enabled: true }, revocation: { enabled: true } },
  async findAccount(ctx, id) { return { accountId: id, claims: async () => ({ sub: id, email: `${id}@example.com` }) }; },
});
for (const sad of ['server_error', 'grant.error', 'authorization.error', 'revocation.error'])
  provider.on(sad, (ctx, error) => console.log(sad, error.message, error.error_detail || ''));
provider.on('grant.revoked', () => console.log('revoked'));
provider.listen(port, '127.0.0.1', () => console.log('ready'));
"""


def start_provider(modules, port):
    if not os.path.exists(f"{modules}/node_modules/oidc-provider"):
        os.makedirs(modules, exist_ok=True)
        subprocess.check_call(["npm", "install", "--silent", "--prefix", modules, "oidc-provider@8"])
    with open(f"{modules}/server.mjs", "w") as f:
        f.write(SERVER)
    command = ["node", f"{modules}/server.mjs", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert any(line.strip() == "ready" for line in iter(server.stdout.readline, "")), "the provider did not start"
    return server


def browse(url):
    """What a person does: follows, types a name, agrees. Gives back the last page."""
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    page = opener.open(url, timeout=30)
    for _ in range(5):
        here, body = page.geturl(), page.read().decode()
        if "/auth/callback" in here:
            return body
        fields = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', body))
        if 'name="login"' in body:
            fields.update(login="ann", password="x")
        action = urllib.parse.urljoin(here, re.search(r'action="([^"]+)"', body).group(1))
        page = opener.open(action, urllib.parse.urlencode(fields).encode(), timeout=30)
    raise SystemExit("the browser never came back")


def check(what, holds):
    print(("ok      " if holds else "BROKEN  ") + what)
    return holds


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--node-modules", default=f"{ROOT}/target/live/oidc")
    parser.add_argument("--llmx", default=f"{ROOT}/target/debug/llmx")
    parser.add_argument("--port", type=int, default=4777)
    args = parser.parse_args()
    server = start_provider(args.node_modules, args.port)
    try:
        home = tempfile.mkdtemp()
        with open(f"{home}/config.toml", "w") as f:
            f.write(f"[login]\nissuer = 'http://127.0.0.1:{args.port}'\nclient_id = 'llmx-test'\n")
        env = {"LLMX_HOME": home, "PATH": os.environ["PATH"]}
        run = lambda *words: subprocess.run([args.llmx, *words], env=env, capture_output=True, text=True, timeout=60)
        login = subprocess.Popen([args.llmx, "login"], env=env, stdout=subprocess.PIPE, text=True)
        url = next(line.strip() for line in iter(login.stdout.readline, "") if line.startswith("http"))
        page = browse(url)
        said, auth = login.communicate(timeout=60)[0], f"{home}/auth.json"
        kept = json.load(open(auth))["tokens"]
        holds = [
            check("the browser is told so", "You are logged in" in page),
            check("llmx login says who", login.returncode == 0 and "Logged in as ann@example.com" in said),
            check("auth.json is for its owner alone", stat.S_IMODE(os.stat(auth).st_mode) == 0o600),
            check("there is a refresh token", bool(kept["refresh_token"])),
            check("llmx login status says who", "ann@example.com" in run("login", "status").stdout),
            check("llmx logout", run("logout").returncode == 0 and not os.path.exists(auth)),
            check("nobody is logged in", run("login", "status").returncode == 1),
        ]
        server.terminate()
        told = server.communicate(timeout=30)[0].split("\n")
        holds.append(check("the provider took the tokens back", "revoked" in told))
        holds.append(check("the provider found nothing to blame", not any(".error" in line or "_error" in line for line in told)))
        sys.exit(0 if all(holds) else 1)
    finally:
        server.kill()


main()
