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
