using System.Diagnostics;
using System.Globalization;
using System.Text;
using Dormouse.Drivers.Launching;

namespace Dormouse.Drivers.Tests.Support;

/// <summary>Looks at the machine from outside: which processes and cgroups there are.</summary>
internal static class Machine
{
    public static string LauncherPath =>
        Environment.GetEnvironmentVariable("DORMOUSE_LAUNCHER_PATH") ?? Path.Combine(AppContext.BaseDirectory, "dormouse-launcher.dll");

    public static string FakeWorkerPath => Path.Combine(AppContext.BaseDirectory, "dormouse-fake-worker.dll");

    /// <summary>The real worker where the build put it; null when it is not built.</summary>
    public static string? WorkerPath => new[]
    {
        Environment.GetEnvironmentVariable("DORMOUSE_WORKER_PATH"),
        Path.Combine(Root, "artifacts/dist/worker/dormouse-worker"),
        Path.Combine(Root, "artifacts/dist/worker/dormouse-worker.dll"),
        Path.Combine(Root, "artifacts/bin/Dormouse.Worker/debug_linux-x64/dormouse-worker.dll"),
        Path.Combine(Root, "artifacts/bin/Dormouse.Worker/debug_linux-arm64/dormouse-worker.dll"),
    }.FirstOrDefault(File.Exists);

    public static string BundledModelFolder => Path.Combine(Root, "models/digits");

    /// <summary>The same options with a launcher that runs as a nobody. For root, with setpriv.</summary>
    public static ProcessDriverOptions AsNobody(ProcessDriverOptions options)
    {
        const UnixFileMode Everyone = (UnixFileMode)0x1FF;
        var folder = Path.GetDirectoryName(options.RunFolder)!; // Not null: it is in the test's folder.
        var script = Path.Combine(folder, "launcher");
        var command = string.Join(' ', ProgramCommand.For(options.LauncherPath));
        File.WriteAllText(script, $"#!/bin/sh\nexec /usr/bin/setpriv --reuid=65534 --regid=65534 --clear-groups {command} \"$@\"\n");
        foreach (var path in (string[])[folder, options.RunFolder, script])
            File.SetUnixFileMode(path, Everyone);
        return options with { LauncherPath = script };
    }

    /// <summary>Skips a test that starts a launcher as another user where that cannot be: for root alone, with setpriv, from folders that others may enter.</summary>
    public static void NeedAnotherUser()
    {
        if (!IsRoot)
            Assert.Skip("Only root can start a launcher as another user; the other tests have run without privileges already.");
        if (!File.Exists("/usr/bin/setpriv"))
            Assert.Skip("setpriv (util-linux) is not installed.");
        for (var folder = AppContext.BaseDirectory; folder is not null; folder = Path.GetDirectoryName(folder))
        {
            if (!File.GetUnixFileMode(folder).HasFlag(UnixFileMode.OtherExecute))
                Assert.Skip($"Other users may not enter {folder}, where the launcher lies: move the checkout to a folder that they may enter.");
        }
    }

    public static bool IsRoot => Environment.IsPrivilegedProcess;

    public static string Root
    {
        get
        {
            var folder = AppContext.BaseDirectory;
            while (!File.Exists(Path.Combine(folder, "Dormouse.slnx")))
                folder = Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("The tests do not run from a checkout.");
            return folder;
        }
    }

    /// <summary>Processes whose command line has a text in it, by id.</summary>
    public static IReadOnlyDictionary<int, string> ProcessesWith(string text)
    {
        var found = new Dictionary<int, string>();
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(folder), CultureInfo.InvariantCulture, out var id)
                && id != Environment.ProcessId
                && CommandLine(id) is { } command
                && command.Contains(text, StringComparison.Ordinal))
                found.Add(id, command);
        }

        return found;
    }

    /// <summary>It is there and has not ended. Not by its command line, which is empty for a moment while it becomes another program.</summary>
    public static bool IsRunning(int id)
    {
        try
        {
            var status = File.ReadAllText($"/proc/{id}/stat");
            return status[status.LastIndexOf(')') + 2] is not ('Z' or 'X');
        }
        catch (IOException)
        {
            return false;
        }
    }

    /// <summary>0 = there is no such process.</summary>
    public static int ParentOf(int id)
    {
        try
        {
            var status = File.ReadAllText($"/proc/{id}/stat");
            return int.Parse(status[(status.LastIndexOf(')') + 2)..].Split(' ')[1], CultureInfo.InvariantCulture);
        }
        catch (IOException)
        {
            return 0;
        }
    }

    public static IReadOnlyList<int> ChildrenOf(int id) =>
        [.. Directory.EnumerateDirectories("/proc").Select(folder => int.TryParse(Path.GetFileName(folder), CultureInfo.InvariantCulture, out var child) ? child : 0).Where(child => child > 0 && ParentOf(child) == id)];

    /// <summary>Folders of a cgroup name in any hierarchy.</summary>
    public static string[] CgroupsNamed(string name) =>
        [.. FoldersBelow("/sys/fs/cgroup").Where(folder => Path.GetFileName(folder) == name)];

    /// <summary>A namespace of a process, in the kernel's words; null when there is no such process any more. The number of one that has ended is soon another's.</summary>
    /// <param name="kind">As below <c>/proc/N/ns</c>.</param>
    public static string? NamespaceOf(int process, string kind)
    {
        try
        {
            return new FileInfo(string.Create(CultureInfo.InvariantCulture, $"/proc/{process}/ns/{kind}")).LinkTarget;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Processes in a namespace now.</summary>
    public static int[] ProcessesIn(string space, string kind) =>
        [.. Directory.GetDirectories("/proc").Select(Path.GetFileName).Where(name => int.TryParse(name, out _)).Select(name => int.Parse(name!, null)).Where(process => NamespaceOf(process, kind) == space)];

    public static async Task KillAsync(int id)
    {
        using var process = Process.GetProcessById(id);
        process.Kill();
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
    }

    /// <summary>Waits for the end of a process that may not be our child.</summary>
    public static async Task WaitForEndAsync(int id)
    {
        try
        {
            using var process = Process.GetProcessById(id);
            await process.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(TimeSpan.FromMinutes(5), TestContext.Current.CancellationToken);
        }
        catch (ArgumentException)
        {
            return; // It had ended before we looked.
        }
    }

    /// <summary>Others come and go while it is looked at.</summary>
    private static IEnumerable<string> FoldersBelow(string folder)
    {
        string[] inside;
        try
        {
            inside = Directory.GetDirectories(folder, "*", new EnumerationOptions { AttributesToSkip = FileAttributes.ReparsePoint });
        }
        catch (DirectoryNotFoundException)
        {
            return [];
        }

        return inside.SelectMany(found => FoldersBelow(found).Prepend(found));
    }

    /// <summary>Null when there is no such process, or only a zombie of it.</summary>
    private static string? CommandLine(int id)
    {
        try
        {
            var bytes = File.ReadAllBytes($"/proc/{id}/cmdline");
            return bytes.Length == 0 ? null : Encoding.UTF8.GetString(bytes).Replace('\0', ' ');
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
