namespace Dormouse.Bench;

internal static class Fresh
{
    /// <summary>A new empty folder for a server's data.</summary>
    public static string Folder() => Directory.CreateTempSubdirectory("dormouse-bench-").FullName;

    /// <summary>A port that was free a moment ago.</summary>
    public static int Port()
    {
        using var listener = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        listener.Start();
        return ((System.Net.IPEndPoint)listener.LocalEndpoint).Port;
    }
}
