using System.Text;

namespace Dormouse.Drivers.Tests;

public sealed class RunFolderTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("dmt-").FullName;

    [Fact]
    public void It_is_short_private_and_the_same_each_time()
    {
        var path = RunFolder.For("/data/dormouse", _folder, "/tmp");

        Assert.Equal(path, RunFolder.For("/data/dormouse/", _folder, "/tmp"));
        Assert.NotEqual(path, RunFolder.For("/data/other", _folder, "/tmp"));
        Assert.StartsWith(_folder + "/dormouse-", path, StringComparison.Ordinal);
        Assert.InRange(Encoding.UTF8.GetByteCount(path), 1, RunFolder.PathBytesMax);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(path));
    }

    [Fact]
    public void A_runtime_folder_that_is_missing_or_too_long_is_not_used()
    {
        var deep = Directory.CreateDirectory(Path.Combine(_folder, new string('d', RunFolder.PathBytesMax))).FullName;

        Assert.StartsWith(_folder + "/dormouse-", RunFolder.For("/data", Path.Combine(_folder, "missing"), _folder), StringComparison.Ordinal);
        Assert.StartsWith(_folder + "/dormouse-", RunFolder.For("/data", deep, _folder), StringComparison.Ordinal);
        Assert.StartsWith(_folder + "/dormouse-", RunFolder.For("/data", null, _folder), StringComparison.Ordinal);
    }

    [Fact]
    public void A_link_in_its_place_is_refused()
    {
        var path = RunFolder.For("/data", _folder, "/tmp");
        Directory.Delete(path);
        Directory.CreateSymbolicLink(path, Directory.CreateDirectory(Path.Combine(_folder, "elsewhere")).FullName);

        Assert.Throws<IOException>(() => RunFolder.For("/data", _folder, "/tmp"));
    }

    [Fact]
    public void A_folder_that_others_may_write_to_is_refused()
    {
        var path = RunFolder.For("/data", _folder, "/tmp");
        File.SetUnixFileMode(path, (UnixFileMode)0x1FF);

        var exception = Assert.Throws<IOException>(() => RunFolder.For("/data", _folder, "/tmp"));

        Assert.Contains(path, exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_folder_whose_owner_died_is_swept_and_no_other()
    {
        string Make(string data) => RunFolder.For(data, _folder, "/tmp");
        var (own, living, dead, silent, used) = (Make("/own"), Make("/living"), Make("/dead"), Make("/silent"), Make("/used"));
        using var mine = OwnedRunFolder.TryOwn(own);
        using var neighbour = OwnedRunFolder.TryOwn(living);
        // A process that has ended; its number may be another's by now, its start time not.
        await File.WriteAllTextAsync(Path.Combine(dead, "owner"), $"{Environment.ProcessId} 1", TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(Path.Combine(dead, "w1-1.sock"), "", TestContext.Current.CancellationToken);
        // Without a lock (some file systems have none) the living process counts.
        await File.WriteAllTextAsync(Path.Combine(used, "owner"), "1 " + StartOfProcessOne(), TestContext.Current.CancellationToken);
        var stranger = Directory.CreateDirectory(Path.Combine(_folder, "dormouse-other")).FullName;
        await File.WriteAllTextAsync(Path.Combine(stranger, "owner"), "1 1", TestContext.Current.CancellationToken);

        var swept = OwnedRunFolder.Sweep(own);

        Assert.Equal(1, swept);
        Assert.False(Directory.Exists(dead));
        Assert.All([own, living, silent, used, stranger], folder => Assert.True(Directory.Exists(folder), folder));
        Assert.Empty(Directory.GetDirectories(_folder, "*.gone-*"));
    }

    [Fact]
    public void A_folder_is_owned_once_and_gone_when_its_owner_stops()
    {
        var path = RunFolder.For("/data", _folder, "/tmp");
        var owner = OwnedRunFolder.TryOwn(path);

        Assert.NotNull(owner);
        Assert.Null(OwnedRunFolder.TryOwn(path));
        owner.Dispose();
        Assert.False(Directory.Exists(path));
        owner.Dispose();
        using var next = OwnedRunFolder.TryOwn(path);
        Assert.NotNull(next);
    }

    private static string StartOfProcessOne()
    {
        var text = File.ReadAllText("/proc/1/stat");
        return text[(text.LastIndexOf(')') + 2)..].Split(' ')[19];
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
