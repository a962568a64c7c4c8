using System.Net;
using Dormouse.Cli.Connection;
using Dormouse.Cli.Terminal;

namespace Dormouse.Cli.Deploy;

/// <summary>
/// A model at an https address, fetched by the command line (never by the server) into a temporary folder that goes with this object.
/// Plain http is refused, also by redirect, except on loopback where nobody else can change the bytes.
/// </summary>
internal sealed class RemoteSource : IDisposable
{
    public const long BytesMax = 16L << 30;
    private const int RedirectsMax = 5;

    private readonly DirectoryInfo _folder;

    private RemoteSource(DirectoryInfo folder, string file)
    {
        _folder = folder;
        File = file;
    }

    public string File { get; }

    public static bool IsAddress(string source) =>
        source.StartsWith("https://", StringComparison.OrdinalIgnoreCase) || source.StartsWith("http://", StringComparison.OrdinalIgnoreCase);

    public static async Task<RemoteSource> FetchAsync(Session session, string source, long bytesMax, CancellationToken cancellationToken)
    {
        if (!Uri.TryCreate(source, UriKind.Absolute, out var address))
        {
            throw CommandException.BadSource($"'{source}' is no address.");
        }

        var name = FileName(address);
        var folder = Directory.CreateTempSubdirectory("dormouse-");
        try
        {
            using var http = new HttpClient(session.Surroundings.Network()) { Timeout = Timeout.InfiniteTimeSpan };
            using var response = await OpenAsync(http, address, cancellationToken);
            var file = Path.Combine(folder.FullName, name);
            await SaveAsync(session, response, name, file, bytesMax, cancellationToken);
            return new RemoteSource(folder, file);
        }
        catch (HttpRequestException e)
        {
            folder.Delete(recursive: true);
            throw CommandException.BadSource($"{address} cannot be fetched: {e.InnerException?.Message ?? e.Message}");
        }
        catch
        {
            folder.Delete(recursive: true);
            throw;
        }
    }

    public void Dispose() => _folder.Delete(recursive: true);

    private static async Task<HttpResponseMessage> OpenAsync(HttpClient http, Uri address, CancellationToken cancellationToken)
    {
        var mayBePlain = address.IsLoopback;
        for (var redirects = 0; redirects <= RedirectsMax; redirects++)
        {
            if (address.Scheme != Uri.UriSchemeHttps && !(address.Scheme == Uri.UriSchemeHttp && address.IsLoopback && mayBePlain))
            {
                throw CommandException.BadSource($"{address} is not fetched: only https addresses are, so that nobody on the way can change the model.");
            }

            var response = await http.GetAsync(address, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
            if (response.StatusCode is HttpStatusCode.MovedPermanently or HttpStatusCode.Found or HttpStatusCode.SeeOther
                    or HttpStatusCode.TemporaryRedirect or HttpStatusCode.PermanentRedirect
                && response.Headers.Location is { } location)
            {
                response.Dispose();
                address = new Uri(address, location);
                continue;
            }

            if (response.IsSuccessStatusCode)
            {
                return response;
            }

            using (response)
            {
                throw CommandException.BadSource($"{address} answered {(int)response.StatusCode} {response.ReasonPhrase}.");
            }
        }

        throw CommandException.BadSource($"{address} redirects more than {RedirectsMax} times.");
    }

    private static async Task SaveAsync(Session session, HttpResponseMessage response, string name, string file, long bytesMax, CancellationToken cancellationToken)
    {
        var announced = response.Content.Headers.ContentLength;
        if (announced > bytesMax)
        {
            throw TooLarge(name, bytesMax);
        }

        await session.Activity.RunAsync("fetching " + name, announced ?? 0, async progress =>
        {
            await using var from = await response.Content.ReadAsStreamAsync(cancellationToken);
            await using var to = System.IO.File.Create(file);
            var buffer = new byte[128 * 1024];
            var total = 0L;
            int read;
            while ((read = await ReadAsync(from, buffer, name, cancellationToken)) > 0)
            {
                total += read;
                if (total > bytesMax)
                {
                    throw TooLarge(name, bytesMax);
                }

                await to.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
                progress.Report(read);
            }

            return total;
        });
    }

    /// <summary>A connection that breaks is told apart from a file that cannot be written.</summary>
    private static async ValueTask<int> ReadAsync(Stream from, byte[] buffer, string name, CancellationToken cancellationToken)
    {
        try
        {
            return await from.ReadAsync(buffer, cancellationToken);
        }
        catch (IOException e)
        {
            throw CommandException.BadSource($"{name} broke off while it was fetched, and nothing was deployed: {e.InnerException?.Message ?? e.Message}");
        }
    }

    private static CommandException TooLarge(string name, long bytesMax) =>
        CommandException.BadSource($"{name} is larger than {Units.Bytes(bytesMax)}, the most that is fetched. Download it yourself and deploy the file.");

    /// <summary>Last part of the path; an address without one still needs a file name.</summary>
    private static string FileName(Uri address)
    {
        var last = Uri.UnescapeDataString(address.Segments[^1].TrimEnd('/'));
        return last.Length == 0 || last is "." or ".." || last.AsSpan().IndexOfAny('/', '\\', '\0') >= 0 ? "model.onnx" : last;
    }
}
