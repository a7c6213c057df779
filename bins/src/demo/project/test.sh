# Fails unless greet.sh greets whoever is named.
expected='Hello, world!'
got=$(sh greet.sh world)
if [ "$got" != "$expected" ]; then
  echo "FAIL: expected '$expected', got '$got'"
  exit 1
fi
echo "PASS: $got"
