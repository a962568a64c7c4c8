using System.Net;
using System.Net.Sockets;

namespace Dormouse.Storage.Tests.Support;

/// <summary>
/// Ports for programs that are told theirs. They are below those that the kernel gives to whoever asks for any port: one of these, found free, may be somebody's else before the program listens, and then answers in its place.
/// </summary>
internal static class FreePort
{
    private const int First = 12_000;
    private const int End = 32_000;

    /// <summary>A program may take so many from the first on.</summary>
    private const int Each = 4;

    private static readonly Lock Taking = new();
    private static int _next = Random.Shared.Next(First, End) / Each * Each;

    /// <summary>The first of four ports that nobody listened on a moment ago and that no other caller gets soon.</summary>
    public static int Next()
    {
        lock (Taking)
        {
            for (var tries = 0; tries < (End - First) / Each; tries++)
            {
                _next = _next + Each >= End ? First : _next + Each;
                if (Enumerable.Range(_next, Each).All(IsFree))
                {
                    return _next;
                }
            }
        }

        throw new InvalidOperationException($"All ports from {First} to {End} are taken.");
    }

    private static bool IsFree(int port)
    {
        try
        {
            using var listener = new TcpListener(IPAddress.Loopback, port);
            listener.Start();
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
