using System.Text;
using System.Text.Json;
using Dormouse.Cli.Commands;
using Dormouse.Cli.Terminal;
using Microsoft.Extensions.Time.Testing;

namespace Dormouse.Cli.Tests;

/// <summary>Runs command lines with an environment, input and folder of their own.</summary>
internal sealed class Shell : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("dormouse-cli-tests-");

    public Shell(FakeServer? server = null)
    {
        Environment["HOME"] = Folder;
        if (server is not null)
        {
            Environment["DORMOUSE_SERVER"] = server.Address.ToString();
            Environment["DORMOUSE_API_KEY"] = FakeServer.AdminKey;
        }
    }

    public string Folder => _folder.FullName;

    public Dictionary<string, string> Environment { get; } = [];

    public FakeTimeProvider Time { get; } = new(new DateTimeOffset(2026, 11, 24, 14, 0, 0, TimeSpan.Zero));

    /// <summary>Standard input; null = a terminal on which <see cref="Typed"/> is typed.</summary>
    public string? Piped { get; set; } = "";

    public string Typed { get; set; } = "";

    /// <summary>Standard output is looked at by a person.</summary>
    public bool IsOutputTerminal { get; set; }

    /// <summary>Writes a file into the folder and returns its path.</summary>
    public string Write(string path, byte[] content)
    {
        var full = Path.Combine(Folder, path);
        Directory.CreateDirectory(Path.GetDirectoryName(full)!);
        File.WriteAllBytes(full, content);
        return full;
    }

    public string Write(string path, string content) => Write(path, Encoding.UTF8.GetBytes(content));

    public async Task<Result> RunAsync(params string[] arguments)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        using var bytes = new MemoryStream();
        var code = await CommandLine.RunAsync(arguments, Surroundings(output, error, bytes), TestContext.Current.CancellationToken);
        return new Result(code, output.ToString() + Encoding.UTF8.GetString(bytes.ToArray()), error.ToString());
    }

    public Surroundings Surroundings(TextWriter output, TextWriter error, Stream bytes) => new()
    {
        Out = output,
        Error = error,
        In = new StringReader(Typed),
        OpenInput = () => new MemoryStream(Encoding.UTF8.GetBytes(Piped ?? "")),
        OpenOutput = () => new KeptOpen(bytes),
        IsInputTerminal = Piped is null,
        IsOutputTerminal = IsOutputTerminal,
        IsErrorTerminal = false,
        Variable = Environment.GetValueOrDefault,
        Time = Time,
        Network = () => new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false },
    };

    public void Dispose() => _folder.Delete(recursive: true);

    /// <summary>Standard output outlives the stream that a command opens on it.</summary>
    private sealed class KeptOpen(Stream inner) : MemoryStream
    {
        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                WriteTo(inner);
            }

            base.Dispose(disposing);
        }
    }
}

internal sealed record Result(int Code, string Out, string Error)
{
    public JsonElement Json => JsonDocument.Parse(Out).RootElement;

    public JsonElement ErrorJson => JsonDocument.Parse(Error).RootElement;

    /// <summary>The command ended well; its own words are shown otherwise.</summary>
    public Result Done()
    {
        Assert.True(Code == 0, $"exit code {Code}: {Error}");
        return this;
    }
}
