#!/usr/bin/env bash
# rabbitmq4.sh FOLDER: RabbitMQ 4 with its Erlang and libraries from Debian 13, unpacked into FOLDER and not installed, for
# tests on a Debian 12 whose own RabbitMQ is 3.10. Then: STEPTRAIL_TEST_RABBITMQ_HOME=FOLDER make chaos
set -euo pipefail
[ $# -eq 1 ] || { sed -n 2,3p "$0" >&2; exit 2; }
mkdir -p "$1/apt/lists/partial" "$1/apt/cache/archives/partial" "$1/packages"
home=$(cd "$1" && pwd)
# The mirror this machine uses already, with the next release instead of its own.
mirror=$(apt-cache policy | awk '/ http.* bookworm\/main/ {print $2; exit}')
[ -n "$mirror" ] || { echo "no Debian 12 mirror is configured" >&2; exit 1; }
echo "deb $mirror trixie main" >"$home/apt/sources.list"
apt=(-o "Dir::Etc::sourcelist=$home/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null -o "Dir::State::lists=$home/apt/lists"
  -o "Dir::Cache=$home/apt/cache")
apt-get "${apt[@]}" update -q
cd "$home/packages"
erlang=(base crypto eldap inets mnesia os-mon parsetools public-key runtime-tools ssl syntax-tools tools xmerl asn1)
apt-get "${apt[@]}" download -q rabbitmq-server "${erlang[@]/#/erlang-}" libc6 libstdc++6 libgcc-s1 libtinfo6 libssl3t64 \
  zlib1g libzstd1 libsctp1 libsystemd0 libcap2
for package in *.deb; do dpkg -x "$package" "$home"; done
# Its programs need a newer C library than this machine has: each is started through the loader it came with.
libraries="$home/usr/lib/x86_64-linux-gnu"
while read -r program; do
  [ "$(head -c4 "$program" | tail -c3)" = ELF ] || continue
  mv "$program" "$program.real"
  printf '#!/bin/sh\nexec %s --argv0 "$0" --library-path %s %s "$@"\n' \
    "$libraries/ld-linux-x86-64.so.2" "$libraries" "$program.real" >"$program"
  chmod +x "$program"
done < <(find "$home/usr/lib/erlang" -type f \( -path '*/erts-*/bin/*' -o -path '*/priv/bin/*' \) ! -name '*.real')
sed -i "s#/usr/lib/erlang#$home/usr/lib/erlang#g" "$home/usr/lib/erlang/bin/erl"
ln -sfn usr/lib/rabbitmq/bin "$home/sbin"
ln -sfn usr/lib/erlang/bin "$home/erlang"
rm -rf "$home/apt" "$home/packages"
echo "RabbitMQ is in $home"
