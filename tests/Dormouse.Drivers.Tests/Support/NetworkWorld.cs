namespace Dormouse.Drivers.Tests.Support;

/// <summary>
/// A network for a launcher and what it starts, made of namespaces that end with the launcher: on its machine (<see cref="OwnAddress"/>) a server of the kind that must not be reached and a resolver,
/// and beyond a cable another machine that answers at a public address, at two private ones, and where clouds keep their metadata.
/// </summary>
internal static class NetworkWorld
{
    public const string Outside = "25.1.1.1";
    public const string OwnAddress = "25.1.1.2";
    public const string AllowedPrivate = "10.9.0.1";
    public const string OtherPrivate = "10.8.0.1";
    public const string Metadata = "169.254.169.254";
    public const int Port = 8000;

    /// <summary>Ends with the launcher, whose process is its second argument.</summary>
    private const string Server =
        """
        import http.server, os, select, socket, sys, threading

        class Answer(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = ("at " + self.connection.getsockname()[0]).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def resolve():
            listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            listener.bind(("127.0.0.53", 53))
            open(sys.argv[1] + ".resolver", "w").close()
            while True:
                question, sender = listener.recvfrom(512)
                end = question.index(b"\0", 12) + 5
                # One address for every question about an IPv4 address, and none for any other.
                is_address = question[end - 4:end - 2] == b"\0\1"
                answer = b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4" + socket.inet_aton("25.1.1.1") if is_address else b""
                listener.sendto(question[:2] + b"\x81\x80\0\1" + (b"\0\1" if is_address else b"\0\0") + b"\0\0\0\0" + question[12:end] + answer, sender)

        launcher = os.pidfd_open(int(sys.argv[2]))
        server = http.server.ThreadingHTTPServer(("0.0.0.0", 8000), Answer)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        if sys.argv[1].endswith("own"):
            threading.Thread(target=resolve, daemon=True).start()
        open(sys.argv[1], "w").close()
        select.select([launcher], [], [])
        """;

    private const string Script =
        """
        #!/bin/sh
        # $1 = the folder of this script, $2 = what becomes the launcher.
        set -e
        here=$1; shift
        rm -f "$here"/outside "$here"/own "$here"/own.resolver
        ip link set lo up
        mount --bind "$here/resolv.conf" /etc/resolv.conf
        if [ -e "$here/device" ]; then
          mount -t tmpfs -o dev none "$here/device"
          mknod -m 666 "$here/device/tun" c 10 200
          mount --bind "$here/device/tun" /dev/net/tun
        fi
        (unshare --net -- /bin/sh -c 'ip link set lo up; echo $$ > "$0/process"; exec python3 "$0/server.py" "$0/outside" "$1"' "$here" $$ > /dev/null 2>&1 &)
        (python3 "$here/server.py" "$here/own" $$ > /dev/null 2>&1 &)
        while [ ! -e "$here/outside" ] || [ ! -e "$here/own" ] || [ ! -e "$here/own.resolver" ]; do sleep 0.02; done
        outside=$(cat "$here/process")
        ip link add out type veth peer name in netns "$outside"
        ip address add 25.1.1.2/24 dev out
        ip link set out up
        for address in 25.1.1.1/24 10.9.0.1/32 10.8.0.1/32 169.254.169.254/32; do nsenter --target "$outside" --net ip address add $address dev in; done
        nsenter --target "$outside" --net ip link set in up
        ip route add default via 25.1.1.1
        exec "$@"
        """;

    /// <summary>Options of a driver whose launcher is in such a network.</summary>
    /// <param name="asNobody">The launcher is an ordinary user's.</param>
    public static ProcessDriverOptions Around(ProcessDriverOptions options, bool asNobody = false)
    {
        const UnixFileMode Everyone = (UnixFileMode)0x1FF;
        var folder = Path.GetDirectoryName(options.RunFolder)!; // Not null: it is in the test's folder.
        var world = Directory.CreateDirectory(Path.Combine(folder, "world")).FullName;
        File.WriteAllText(Path.Combine(world, "server.py"), Server);
        File.WriteAllText(Path.Combine(world, "script"), Script);
        File.WriteAllText(Path.Combine(world, "resolv.conf"), "nameserver 127.0.0.53\n");
        if (asNobody)
            Directory.CreateDirectory(Path.Combine(world, "device"));
        var launcher = Path.Combine(folder, "launcher");
        var user = asNobody ? "setpriv --reuid=65534 --regid=65534 --clear-groups " : "";
        var command = string.Join(' ', Launching.ProgramCommand.For(options.LauncherPath));
        File.WriteAllText(launcher, $"#!/bin/sh\nexec unshare --net --mount -- /bin/sh {world}/script {world} {user}{command} \"$@\"\n");
        foreach (var path in (string[])[folder, options.RunFolder, world, launcher])
            File.SetUnixFileMode(path, Everyone);
        return options with { LauncherPath = launcher, AllowNetworks = [System.Net.IPNetwork.Parse(AllowedPrivate + "/32")] };
    }
}
