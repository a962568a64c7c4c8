using System.Collections.Immutable;
using Dormouse.Cli.Deploy;
using Dormouse.Cli.Terminal;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Tests.Deploy;

/// <summary>Which files Python code is made of, and whose settings count.</summary>
public sealed class PythonSourceTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("dormouse-python-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void A_py_file_is_sent_with_what_lies_beside_it_but_not_with_what_never_belongs_to_code()
    {
        Write("shop/app.py", "shop/lib/util.py", "shop/data.json", "shop/__pycache__/app.pyc", "shop/lib/__pycache__/util.pyc", "shop/.git/config", "shop/.env", "shop/env/pyvenv.cfg", "shop/env/lib/x.py", "shop/node_modules/a.js");

        var source = SourceReader.Read(Path_("shop/app.py"));

        Assert.Equal(["app.py", "data.json", "lib/util.py"], source.Versions[0].Files.Select(f => f.Path));
        Assert.Equal(("shop", "app.py"), (source.Name, source.Python?.Module));
        Assert.Contains("2 files beside app.py are sent too", Assert.Single(source.Hints), StringComparison.Ordinal);
    }

    [Fact]
    public void The_ignore_file_names_paths_names_and_folders()
    {
        Write("a/app.py", "a/data/x.bin", "a/data/keep.txt", "a/deep/data/y.bin", "a/notes.md", "a/tests/t.py", "a/lib/tests/u.py", "a/build");
        File.WriteAllText(Path_("a/.dormouseignore"), "# comment\n\n*.bin\n/notes.md\nlib/tests/\nbuild/\n");

        var files = SourceReader.Read(Path_("a")).Versions[0].Files.Select(f => f.Path);

        // 'build' is a file here, and the pattern is for folders.
        Assert.Equal(["app.py", "build", "data/keep.txt", "tests/t.py"], files);
    }

    [Fact]
    public void A_line_that_takes_a_file_back_in_is_refused()
    {
        Write("a/app.py");
        File.WriteAllText(Path_("a/.dormouseignore"), "*.bin\n!keep.bin\n");

        Assert.Contains("!keep.bin", Assert.Throws<CommandException>(() => SourceReader.Read(Path_("a"))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_with_a_model_is_a_models_unless_the_runtime_says_otherwise()
    {
        Write("m/app.py", "m/model.onnx");
        File.WriteAllText(Path_("m/model.onnx"), "x");

        Assert.Null(SourceReader.Read(Path_("m")).Python);
        Assert.NotNull(SourceReader.Read(Path_("m"), "python").Python);
    }

    [Fact]
    public void A_file_that_is_no_code_is_its_own_module()
    {
        Write("forest.joblib", "other.txt");

        var source = SourceReader.Read(Path_("forest.joblib"), "python");

        Assert.Equal(["forest.joblib"], source.Versions[0].Files.Select(f => f.Path));
        Assert.Equal("forest.joblib", source.Python?.Module);
    }

    [Fact]
    public void The_upper_settings_count_and_environments_are_merged()
    {
        var decorator = new RevisionSettings
        {
            Runtime = "python",
            Handler = "app.py::f",
            Memory = "1GiB",
            Concurrency = 4,
            Timeout = "5s",
            Environment = ImmutableSortedDictionary<string, string>.Empty.Add("A", "1").Add("B", "1"),
        };
        var line = new RevisionSettings { Memory = "2GiB", Public = true, Environment = ImmutableSortedDictionary<string, string>.Empty.Add("B", "2") };

        var merged = SettingsOverlay.Over(line, decorator);

        Assert.Equal(("python", "app.py::f", "2GiB", 4, "5s", true), (merged.Runtime, merged.Handler, merged.Memory, merged.Concurrency?.Number, merged.Timeout, merged.Public));
        Assert.Equal([("A", "1"), ("B", "2")], merged.Environment!.Select(e => (e.Key, e.Value)));
    }

    private string Path_(string relative) => Path.Combine(_folder.FullName, relative);

    private void Write(params string[] files)
    {
        foreach (var file in files)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path_(file))!);
            File.WriteAllText(Path_(file), "");
        }
    }
}
