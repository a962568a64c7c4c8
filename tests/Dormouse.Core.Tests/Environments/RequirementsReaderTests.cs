using System.Collections.Immutable;
using Dormouse.Core.Environments;
using Dormouse.Core.Packages;

namespace Dormouse.Core.Tests.Environments;

public sealed class RequirementsReaderTests
{
    [Fact]
    public void Spelling_order_comments_and_other_files_make_no_difference()
    {
        var one = Accepted([], "a.txt", ("a.txt", "# all\nNum_Py >= 1.26 , <2  # why\n-r sub/b.txt\n--no-index\n"), ("sub/b.txt", "six ; python_version < \"3.12\"\\\n\n"));
        var other = Accepted(["num-py>=1.26,<2"], "c.txt", ("c.txt", "--no-index\r\nsix; python_version < \"3.12\"\r\n"));

        Assert.Equal(["--no-index", "num-py>=1.26,<2", "six; python_version < \"3.12\""], one.Lines);
        Assert.Equal(one.Lines, other.Lines);
    }

    [Fact]
    public void Files_of_the_package_are_named_from_its_root_and_count_with_what_they_hold()
    {
        var text = Accepted([], "sub/needs.txt", ("sub/needs.txt", "-f ./wheels\n../one.whl[x]\n-c c.txt\n"), ("sub/wheels/a.whl", ""), ("sub/wheels/b.whl", ""), ("one.whl", ""), ("sub/c.txt", "Six<2"), ("app.py", ""));

        Assert.Equal(["--find-links ./sub/wheels", "./one.whl[x]"], text.Lines);
        Assert.Equal(["six<2"], text.Constraints);
        Assert.Equal(["one.whl", "sub/wheels/a.whl", "sub/wheels/b.whl"], text.LocalFiles);
        Assert.NotEqual(Id(text, '1'), Id(text, '2'));
        Assert.Equal(Id(text, '1'), Id(text, '1'));
    }

    [Theory]
    [InlineData("-e .", "editable")]
    [InlineData("--find-links /srv/wheels", "not in the package")]
    [InlineData("/etc/passwd.whl", "not in the package")]
    [InlineData("../up.whl", "not in the package")]
    [InlineData("x @ file:///srv/x.whl", "no http or https address")]
    [InlineData("--index-url https://${TOKEN}@example.org", "variables are not filled in")]
    [InlineData("--config-settings x", "the option")]
    [InlineData("six --global-option=x", "only --hash")]
    [InlineData("-r missing.txt", "no file 'missing.txt'")]
    [InlineData("numpy 1.26", "no requirement")]
    [InlineData("; rm", "no requirement")]
    public void What_reaches_out_of_the_package_or_is_no_requirement_is_refused_with_file_and_line(string line, string why)
    {
        var refused = Assert.IsType<RequirementsOutcome.Refused>(Read([], "needs.txt", ("needs.txt", "six\n" + line + "\n")));

        var error = Assert.Single(refused.Errors);
        Assert.StartsWith("needs.txt:2: ", error, StringComparison.Ordinal);
        Assert.Contains(why, error, StringComparison.Ordinal);
    }

    [Fact]
    public void Addresses_hashes_and_options_of_indexes_stay_as_they_are()
    {
        var text = Accepted([], "n.txt", ("n.txt", "-i https://example.org/simple\n--only-binary=:all:\nsix==1.0 \\\n  --hash=sha256:ab \\\n  --hash=sha256:cd\nx @ https://example.org/x.zip#sha256=ab\ngit+https://example.org/y.git\n"));

        Assert.Equal(
            ["--index-url https://example.org/simple", "--only-binary :all:", "git+https://example.org/y.git", "six==1.0 --hash=sha256:ab --hash=sha256:cd", "x @ https://example.org/x.zip#sha256=ab"],
            text.Lines);
    }

    [Fact]
    public void Files_that_refer_to_each_other_end_and_options_alone_install_nothing()
    {
        Assert.True(Accepted([], "a.txt", ("a.txt", "-r b.txt\n--no-index"), ("b.txt", "-r a.txt")).IsEmpty);
        Assert.IsType<RequirementsOutcome.Refused>(Read(["-r x"], null));
    }

    [Fact]
    public void Any_text_is_read_or_refused()
    {
        var random = new Random(20261128);
        const string Characters = "ab-=./\\ \n#@[];${}:\"'1fr\t~é";
        for (var round = 0; round < 5_000; round++)
        {
            var text = new string([.. Enumerable.Range(0, random.Next(60)).Select(_ => Characters[random.Next(Characters.Length)])]);

            if (Read([], "n.txt", ("n.txt", text), ("a/b", "")) is RequirementsOutcome.Accepted { Text: var read })
            {
                // What was read reads the same again.
                Assert.Equal(read.Lines, Accepted([], "n.txt", ("n.txt", string.Join('\n', read.Lines)), ("a/b", "")).Lines);
            }
        }
    }

    private static EnvironmentId Id(RequirementsText text, char hash) => EnvironmentId.Of("3.11", "/usr/bin/python3.11", systemPackages: false, text, _ => new BlobHash(new string(hash, 64)));

    private static RequirementsText Accepted(ImmutableArray<string> pip, string? file, params (string Path, string Text)[] files) =>
        Assert.IsType<RequirementsOutcome.Accepted>(Read(pip, file, files)).Text;

    private static RequirementsOutcome Read(ImmutableArray<string> pip, string? file, params (string Path, string Text)[] files) =>
        RequirementsReader.Read(pip, file, files.Select(f => f.Path), path => files.Single(f => f.Path == path).Text);
}
