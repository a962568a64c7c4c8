using Dormouse.Cli.Hosting;
using Dormouse.Cli.Terminal;

namespace Dormouse.Cli.Tests.Hosting;

public sealed class ServeTests : IDisposable
{
    private readonly Shell _shell = new();

    [Fact]
    public async Task A_settings_file_with_a_mistake_ends_with_4_and_names_the_key()
    {
        var config = _shell.Write("server.yaml", "server:\n  lissen: http://127.0.0.1:0\n");

        var result = await _shell.RunAsync("serve", "--data", Path.Combine(_shell.Folder, "data"), "--config", config);

        Assert.Equal(ExitCodes.Refused, result.Code);
        Assert.Contains("lissen", result.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", result.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("lissen: http://127.0.0.1:0\nserver: 5\n", "lissen (server.yaml line 1) is not a setting. Did you mean server.listen?")]
    [InlineData("lissen: http://127.0.0.1:0\nserver: 5\n", "server (server.yaml line 2) is a section; put its keys under it, indented, such as listen.")]
    [InlineData("server: [a, b]\n", "server.yaml line 1: 'server' is a section and holds a list; put keys with one value each under it, indented.")]
    [InlineData("server:\n  listen: [a]\n", "server.yaml line 2: server.listen is a list; one plain value is needed here.")]
    [InlineData("just words", "server.yaml must hold one mapping of sections")]
    public async Task A_settings_file_of_another_shape_is_told_with_its_place(string text, string sentence)
    {
        var result = await _shell.RunAsync("serve", "--data", Path.Combine(_shell.Folder, "data"), "--config", _shell.Write("server.yaml", text));

        Assert.Equal(ExitCodes.Refused, result.Code);
        Assert.Contains(sentence, result.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("serve --config")]
    [InlineData("apply -f")]
    [InlineData("simulate --kpa")]
    [InlineData("invoke digits --file")]
    [InlineData("deploy digits.onnx --signature")]
    [InlineData("deploy digits.onnx --labels")]
    public async Task A_folder_where_a_file_is_meant_is_called_a_folder(string line)
    {
        var result = await _shell.RunAsync([.. line.Split(' '), _shell.Folder]);

        Assert.Equal(ExitCodes.Refused, result.Code);
        Assert.Contains("is a folder", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void The_model_of_quickstart_lies_beside_the_program()
    {
        var source = BundledModel.Source();

        Assert.Equal(["labels.txt", "model.onnx", "signature.yaml"], source.Versions.Single().Files.Select(f => f.Path));
        Assert.All(source.Versions.Single().Files, f => Assert.True(new FileInfo(f.LocalPath).Length > 0));
        Assert.True(File.Exists(BundledModel.Picture));
    }

    public void Dispose() => _shell.Dispose();
}
