# Waits for so many seconds, then tests once more.
seconds=${1:-300}
sleep "$seconds" &
echo "waiting $seconds s"
wait
sh test.sh
