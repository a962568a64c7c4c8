using System.Buffers;
using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;

namespace Dormouse.Core.Secrets;

/// <summary>The values that one instance gets at its start. A class, so that no part of it is ever printed.</summary>
public sealed class InstanceSecrets
{
    public static readonly InstanceSecrets None = new([], []);

    /// <param name="variables">Variable → value.</param>
    /// <param name="files">Name of a file → its content.</param>
    public InstanceSecrets(ImmutableArray<KeyValuePair<string, ImmutableArray<byte>>> variables, ImmutableArray<KeyValuePair<string, ImmutableArray<byte>>> files)
    {
        Variables = variables;
        Files = files;
        Stamp = variables.IsEmpty && files.IsEmpty ? "" : StampOf(variables, files);
        Mask = SecretMask.Of(variables.Concat(files).Select(e => e.Value));
    }

    public ImmutableArray<KeyValuePair<string, ImmutableArray<byte>>> Variables { get; }

    public ImmutableArray<KeyValuePair<string, ImmutableArray<byte>>> Files { get; }

    public bool IsEmpty => Stamp.Length == 0;

    /// <summary>The same for the same values under the same names; empty for none. A process that was given others must not be used for an instance with these.</summary>
    public string Stamp { get; }

    /// <summary>Null = there is nothing to mask.</summary>
    public SecretMask? Mask { get; }

    /// <summary>Why a value cannot be a variable, a sentence; null when it can.</summary>
    public static string? VariableRefusal(string variable, string name, ReadOnlySpan<byte> value) =>
        value.Contains((byte)0) ? $"The secret '{name}' holds a NUL byte and cannot be the variable {variable}; give it as a file: --secret-file {name}={name}."
        : !IsText(value) ? $"The secret '{name}' is no UTF-8 text and cannot be the variable {variable}; give it as a file: --secret-file {name}={name}."
        : null;

    public override string ToString() => $"{Variables.Length + Files.Length} secrets";

    private static bool IsText(ReadOnlySpan<byte> value)
    {
        while (!value.IsEmpty)
        {
            if (Rune.DecodeFromUtf8(value, out _, out var count) != OperationStatus.Done)
            {
                return false;
            }

            value = value[count..];
        }

        return true;
    }

    private static string StampOf(ImmutableArray<KeyValuePair<string, ImmutableArray<byte>>> variables, ImmutableArray<KeyValuePair<string, ImmutableArray<byte>>> files)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var (kind, entries) in new[] { ((byte)'v', variables), ((byte)'f', files) })
        {
            foreach (var (name, value) in entries)
            {
                hash.AppendData([kind]);
                Append(hash, Encoding.UTF8.GetBytes(name));
                Append(hash, value.AsSpan());
            }
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>With its length, so that two lists never run together to the same bytes.</summary>
    private static void Append(IncrementalHash hash, ReadOnlySpan<byte> part)
    {
        Span<byte> length = stackalloc byte[sizeof(int)];
        BinaryPrimitives.WriteInt32LittleEndian(length, part.Length);
        hash.AppendData(length);
        hash.AppendData(part);
    }
}
