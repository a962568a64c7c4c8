using System.Net;
using System.Text;
using Dormouse.EndToEnd.Tests.Running;

namespace Dormouse.EndToEnd.Tests.Functions;

/// <summary>Secrets as users have them: by the command line, in a real function, through a restart of the server, and out of a neighbour's reach.</summary>
public sealed class SecretTests
{
    private const string Value = "hunter2-hunter2-hunter2", Second = "correct-horse-battery";

    private const string App = """
        import base64, dormouse, os, sys
        app = dormouse.App("safe")
        at_import = os.environ["API_TOKEN"]

        @app.function(memory="128MiB", secrets=["API_TOKEN"], secret_files={"account.json": "account"})
        def look(say: str = "") -> dict:
            with open(os.path.join(os.environ["DORMOUSE_SECRETS"], "account.json")) as file:
                account = file.read()
            if say:
                token = os.environ["API_TOKEN"]
                print("printed", token, base64.b64encode(token.encode()).decode(), flush=True)
                sys.stdout.write("in two writes " + token[:9])
                sys.stdout.flush()
                sys.stdout.write(token[9:] + " done\n")
                os.system("echo a program has it: $API_TOKEN")
                raise ValueError("the token is " + token)
            return {"length": len(os.environ["API_TOKEN"]), "same": at_import == os.environ["API_TOKEN"], "account": len(account)}
        """;

    private const string Neighbour = """
        import os

        def handler(input):
            wanted = [text.encode() for text in input["for"]]
            found = []
            for folder in ("/proc", "/run", "/tmp", "/dev/shm"):
                for root, folders, files in os.walk(folder):
                    if root == "/proc":
                        folders[:] = [name for name in folders if name.isdigit() and int(name) != os.getpid()]
                    elif root.startswith("/proc/"):
                        folders[:] = []
                    for name in files:
                        if folder == "/proc" and name not in ("environ", "cmdline"):
                            continue
                        try:
                            with open(os.path.join(root, name), "rb") as file:
                                text = file.read(1 << 20)
                        except OSError:
                            continue
                        found += [os.path.join(root, name) for value in wanted if value in text]
            return {"found": found, "own": os.environ.get("API_TOKEN")}
        """;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_function_has_its_secrets_also_after_a_restart_and_nobody_else_ever_sees_them()
    {
        PythonApps.NeedPython();
        using var files = new TemporaryFolder();
        var app = files.Write("app.py", App);
        var token = files.Write("token.txt", Value + "\n");
        string data;
        await using (var server = await RunningServer.StartAsync(Cancelled))
        {
            data = server.Data;
            var missing = await CommandRun.OfAsync(server, Cancelled, "deploy", app);
            missing.AssertExit(4);
            Assert.Contains("dormouse secret set", missing.Error, StringComparison.Ordinal);
            (await CommandRun.WithInputAsync(server, Value + "\n", Cancelled, "secret", "set", "API_TOKEN", "-")).AssertExit(0);
            await CommandRun.DoneAsync(server, Cancelled, "secret", "set", "account", "--from-file", token);

            await CommandRun.DoneAsync(server, Cancelled, "deploy", app);
            var first = await PythonApps.CallAsync(server, "safe", "{}", Cancelled);
            Assert.True(first.Status == HttpStatusCode.OK, first.Text);
            Assert.Equal((Value.Length, true, Value.Length + 1), (first.Json["length"]!.GetValue<int>(), first.Json["same"]!.GetValue<bool>(), first.Json["account"]!.GetValue<int>()));

            var failed = await PythonApps.CallAsync(server, "safe", """{"say":"it"}""", Cancelled);
            Assert.Equal((HttpStatusCode.InternalServerError, "ValueError: the token is ***"), (failed.Status, failed.Json["detail"]!.GetValue<string>()));
            var log = "";
            await Waiting.UntilAsync(
                async () => (log = await PythonApps.LogsAsync(server, "safe", Cancelled)).Contains("a program has it: ***", StringComparison.Ordinal) && log.Contains(" done", StringComparison.Ordinal),
                "what the function and the program wrote is in the log", Cancelled);
            Assert.Contains("printed *** ***", log, StringComparison.Ordinal);
            Assert.Contains("in two writes *** done", log, StringComparison.Ordinal);
            var listed = (await CommandRun.DoneAsync(server, Cancelled, "secret", "list")).Output;
            Assert.Contains("safe r1", listed, StringComparison.Ordinal);
            var shown = log + listed + failed.Text + server.Output + (await CommandRun.DoneAsync(server, Cancelled, "describe", "safe", "--output", "json")).Output;
            Assert.DoesNotContain("hunter2", shown, StringComparison.Ordinal);
            Assert.DoesNotContain(Convert.ToBase64String(Encoding.UTF8.GetBytes(Value))[..20], shown, StringComparison.Ordinal);

            await CommandRun.DoneAsync(server, Cancelled, "secret", "set", "API_TOKEN", Second);
            (await CommandRun.OfAsync(server, Cancelled, "secret", "delete", "API_TOKEN")).AssertExit(4);
            Assert.Equal(Value.Length, (await PythonApps.CallAsync(server, "safe", "{}", Cancelled)).Json["length"]!.GetValue<int>());
            await server.KillAsync(Cancelled);
        }

        await using var again = await RunningServer.StartAsync(Cancelled, data);
        Assert.Equal(Second.Length, (await PythonApps.CallAsync(again, "safe", "{}", Cancelled)).Json["length"]!.GetValue<int>());
        await again.StopAsync(Cancelled);
        foreach (var path in Directory.EnumerateFiles(data, "*", SearchOption.AllDirectories).Where(p => !p.Contains("/packages/", StringComparison.Ordinal) && !p.Contains("/blobs/", StringComparison.Ordinal)))
        {
            var kept = Encoding.Latin1.GetString(await File.ReadAllBytesAsync(path, Cancelled));
            Assert.False(kept.Contains("hunter2", StringComparison.Ordinal) || kept.Contains(Second, StringComparison.Ordinal), $"{path} holds a secret");
        }

        using var folder = new TemporaryFolder();
        var backup = await CommandRun.AnyAsync(new Dictionary<string, string>(), ["storage", "backup", Path.Combine(folder.Root, "backup"), "--data", data], Cancelled);
        Assert.Contains("secrets.key", backup.Output + backup.Error, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFiles(folder.Root, "secrets.key", SearchOption.AllDirectories));
    }

    [Fact]
    public async Task A_sandboxed_neighbour_finds_no_secret_of_another_function()
    {
        PythonApps.NeedPython();
        await using var server = await RunningServer.StartAsync(Cancelled);
        await Doctor.NeedSandboxAsync(server, Cancelled);
        using var files = new TemporaryFolder();
        await CommandRun.DoneAsync(server, Cancelled, "secret", "set", "API_TOKEN", Value);
        await CommandRun.DoneAsync(server, Cancelled, "secret", "set", "account", Second);
        await CommandRun.DoneAsync(server, Cancelled, "deploy", files.Write("app.py", App), "--isolation", "sandbox");
        await CommandRun.DoneAsync(server, Cancelled, "deploy", files.Write("main.py", Neighbour), "--name", "neighbour", "--memory", "128MiB", "--isolation", "sandbox");
        Assert.Equal(HttpStatusCode.OK, (await PythonApps.CallAsync(server, "safe", "{}", Cancelled)).Status);

        var looked = await PythonApps.CallAsync(server, "neighbour", $$"""{"for":["{{Value}}","{{Second}}"]}""", Cancelled);

        Assert.True(looked.Status == HttpStatusCode.OK, looked.Text);
        Assert.Empty(looked.Json["found"]!.AsArray());
        Assert.Null(looked.Json["own"]);
        var named = await CommandRun.OfAsync(server, Cancelled, "--server", new Uri(server.Address, "/t/acme").ToString(), "deploy", files.Write("app.py", App));
        named.AssertExit(4);
        Assert.Contains("not set", named.Error, StringComparison.Ordinal);
    }
}
