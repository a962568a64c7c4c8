#!/usr/bin/env bash
# Builds the product into artifacts/dist: cli/ (with the server), launcher/, worker/ and python/ (SDK and runner).
# Quiet: one progress line a part; the whole log is in artifacts/build.log and is shown when a part fails.
set -euo pipefail
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
dist=$root/artifacts/dist
log=$root/artifacts/build.log
mkdir -p "$dist"

# Two callers at once must not build into the same folder.
exec 9>"$root/artifacts/.build-lock"
flock 9

: >"$log"
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1
started=$(mktemp "$root/artifacts/.started.XXXXXX")
trap 'rm -f "$started"' EXIT

command -v dotnet >/dev/null || {
  echo "dormouse: the .NET 10 SDK is needed (command 'dotnet'). See https://dotnet.microsoft.com/download" >&2
  exit 1
}

publish() { # project folder [properties…]
  local project=$1 folder=$2
  shift 2
  rm -rf "$dist/$folder.new"
  # Analyzers run in ./test; here they would only make the user wait.
  dotnet publish "$root/src/$project" -c Release -v q -o "$dist/$folder.new" -p:DebugType=none -p:DebugSymbols=false \
    -p:GenerateDocumentationFile=false -p:RunAnalyzers=false -p:EnforceCodeStyleInBuild=false "$@" >>"$log" 2>&1 || return 1
  rm -rf "$dist/$folder.old"
  [ ! -e "$dist/$folder" ] || mv "$dist/$folder" "$dist/$folder.old"
  mv "$dist/$folder.new" "$dist/$folder"
  rm -rf "$dist/$folder.old"
}

failed() {
  echo "dormouse: building $1 failed. The end of $log:" >&2
  tail -n 30 "$log" >&2
  exit 1
}

native() { # project folder
  # Ahead-of-time needs a linker; without one (or when it fails) the framework-dependent build takes its place.
  if [ "$have_linker" = yes ] && publish "$1" "$2" -p:PublishAot=true; then
    rm -f "$dist/$2"/*.dbg
    return 0
  fi
  publish "$1" "$2" || failed "$1"
  fallback=yes
}

have_linker=no
if command -v clang >/dev/null || command -v gcc >/dev/null; then have_linker=yes; fi
fallback=no

echo "dormouse: building the command line and server (1 of 3; the first time takes about two minutes) …"
publish Dormouse.Cli cli -p:PublishReadyToRun=true || failed Dormouse.Cli
echo "dormouse: building the launcher (2 of 3) …"
native Dormouse.Launcher launcher
echo "dormouse: building the worker (3 of 3) …"
native Dormouse.Worker worker
# The engine's package also brings its Windows libraries.
rm -f "$dist"/worker/onnxruntime.dll "$dist"/worker/onnxruntime_providers_shared.dll "$dist"/worker/*.lib

# Python endpoints: files to copy, compiled where there is a Python, so that no start compiles them.
rm -rf "$dist/python.new"
mkdir -p "$dist/python.new"
if [ -d "$root/python/dormouse" ]; then
  cp -R "$root/python/dormouse" "$dist/python.new/"
  find "$dist/python.new" -name __pycache__ -prune -exec rm -rf {} +
  if command -v python3 >/dev/null; then python3 -m compileall -q "$dist/python.new" >>"$log" 2>&1 || true; fi
fi
rm -rf "$dist/python"
mv "$dist/python.new" "$dist/python"

if [ "$fallback" = yes ]; then
  echo "dormouse: built without the native tool chain: cold starts are about three times slower. To mend it: sudo apt-get install clang zlib1g-dev, then touch build.sh" >&2
fi
touch -r "$started" "$dist/.stamp"
