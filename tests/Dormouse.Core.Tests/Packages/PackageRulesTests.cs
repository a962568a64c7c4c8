using CsCheck;
using Dormouse.Core.Packages;

namespace Dormouse.Core.Tests.Packages;

public sealed class PackageRulesTests
{
    private static readonly BlobHash Hash = new(new string('a', 64));

    [Theory]
    [InlineData("model.onnx")]
    [InlineData("1/model.onnx")]
    [InlineData("weights/a b/ü.bin")]
    [InlineData(".hidden")]
    [InlineData("...")]
    [InlineData("a..b")]
    public void A_relative_path_is_allowed(string path) => Assert.Null(PackageRules.PathRefusal(path));

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("/etc/passwd")]
    [InlineData("..")]
    [InlineData("../x")]
    [InlineData("a/../../x")]
    [InlineData("a/./b")]
    [InlineData("a//b")]
    [InlineData("a/")]
    [InlineData("a\\b")]
    [InlineData("a\0b")]
    [InlineData("a\nb")]
    [InlineData("a\u007fb")]
    [InlineData("a\ud800b")]
    public void A_path_that_could_leave_its_folder_or_confuse_is_refused(string? path) => Assert.NotNull(PackageRules.PathRefusal(path));

    [Fact]
    public void Long_paths_and_parts_are_refused()
    {
        Assert.Null(PackageRules.PathRefusal($"{new string('a', 255)}/{new string('b', 255)}"));
        Assert.NotNull(PackageRules.PathRefusal(new string('a', 256)));
        Assert.NotNull(PackageRules.PathRefusal(new string('ü', 128)));
        Assert.NotNull(PackageRules.PathRefusal(string.Join('/', Enumerable.Repeat("abcdefg", 65))));
    }

    [Fact]
    public void Any_allowed_path_stays_inside_the_folder_it_is_joined_to() =>
        Gen.String[Gen.Char["a./\\\0 -~"], 0, 12].Sample(path =>
        {
            if (PackageRules.PathRefusal(path) is null)
            {
                Assert.StartsWith("/base/", Path.GetFullPath(Path.Join("/base", path)), StringComparison.Ordinal);
            }
        });

    [Fact]
    public void Files_are_put_in_ordinal_order()
    {
        var outcome = PackageRules.Check([File("b"), File("a/x"), File("B")]);

        Assert.Equal(["B", "a/x", "b"], Assert.IsType<PackageOutcome.Accepted>(outcome).Package.Files.Select(f => f.Path));
    }

    [Fact]
    public void A_package_without_files_or_with_too_many_is_refused()
    {
        Assert.Equal(["The package has 0 files; 1 to 10000 are allowed."], Refused());
        Assert.Equal(["The package has 10001 files; 1 to 10000 are allowed."], Refused([.. Enumerable.Range(0, 10_001).Select(i => File($"f{i}"))]));
        Assert.IsType<PackageOutcome.Accepted>(PackageRules.Check([.. Enumerable.Range(0, 10_000).Select(i => File($"f{i}"))]));
    }

    [Fact]
    public void All_errors_are_told_at_once() => Assert.Equal(
        [
            "The path 'a' is there twice.",
            "The path '../b' has an empty, '.' or '..' part.",
            "The hash of 'c' is no SHA-256 in 64 lower-case hexadecimal digits.",
            "The size of 'd' is -1 bytes; at least 0 is allowed.",
            "'a' is both a file and the folder of 'a/b'.",
        ],
        Refused(File("a"), File("a"), File("../b"), new PackageFile("c", new BlobHash("../../x"), 1), File("d") with { SizeBytes = -1 }, File("a/b")));

    [Fact]
    public void Sizes_that_overflow_are_refused() =>
        Assert.Single(Refused(File("a") with { SizeBytes = long.MaxValue }, File("b") with { SizeBytes = 1 }));

    [Fact]
    public void No_more_than_twenty_errors_are_told() =>
        Assert.Equal(PackageRules.ErrorsMax, Refused([.. Enumerable.Range(0, 100).Select(i => File($"/{i}"))]).Length);

    private static PackageFile File(string path) => new(path, Hash, 1);

    private static string[] Refused(params PackageFile[] files) => [.. Assert.IsType<PackageOutcome.Refused>(PackageRules.Check(files)).Errors];
}
