using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Dormouse.Core.Packages;

namespace Dormouse.Storage.Blobs;

/// <summary>Name of a package's folder: SHA-256 over its paths and hashes, so equal packages share one folder.</summary>
internal static class PackageName
{
    public static string Of(IReadOnlyList<PackageFile> files)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> length = stackalloc byte[4];
        foreach (var file in files)
        {
            var path = Encoding.UTF8.GetBytes(file.Path);
            BinaryPrimitives.WriteInt32LittleEndian(length, path.Length);
            hash.AppendData(length);
            hash.AppendData(path);
            hash.AppendData(Encoding.ASCII.GetBytes(file.Hash.Value));
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
