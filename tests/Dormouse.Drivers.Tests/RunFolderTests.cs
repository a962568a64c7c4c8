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

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
