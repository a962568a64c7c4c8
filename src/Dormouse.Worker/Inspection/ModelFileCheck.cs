using System.Globalization;
using System.Runtime.InteropServices;
using Dormouse.Worker.Control;
using Dormouse.Worker.Engine;

namespace Dormouse.Worker.Inspection;

/// <summary>
/// Looks at a model file before the engine does: what is not a model gets a reason that a person can act on, and a tensor that names a file
/// outside its own folder is refused (the engine would read it).
/// </summary>
internal static class ModelFileCheck
{
    private const long FileBytesMax = int.MaxValue;

    /// <summary>Throws <see cref="ModelRefusedException"/> when the file must not reach the engine.</summary>
    internal static void Check(int folder, string modelPath)
    {
        var path = SessionLoader.PathOf(folder, Inside(modelPath));
        if (!File.Exists(path))
        {
            throw new ModelRefusedException($"The package has no file '{modelPath}'.");
        }

        using var file = File.OpenHandle(path);
        var length = RandomAccess.GetLength(file);
        switch (length)
        {
            case 0:
                throw new ModelRefusedException("The model file is empty (0 bytes).");
            case > FileBytesMax:
                throw new ModelRefusedException($"The model file has {length} bytes; an ONNX file can have at most {FileBytesMax}. Save large weights as external data beside it.");
        }

        using var mapped = MappedFile.Open(file, length);
        FileKind.RefuseKnownStrangers(mapped.Bytes);
        var summary = Walk(mapped.Bytes);
        EngineLimits.Check(summary);
        foreach (var (tensor, dimension) in summary.LargeDimensions)
        {
            throw new ModelRefusedException(string.Create(
                CultureInfo.InvariantCulture, $"Tensor '{tensor}' has a fixed dimension of {dimension}; at most {OnnxWalk.DimensionMax} is possible. Export the model with a smaller or a variable one."));
        }

        foreach (var tensor in summary.ExternalTensors)
        {
            CheckExternal(SessionLoader.PathOf(folder), Path.GetDirectoryName(path)!, tensor);
        }
    }

    private static OnnxSummary Walk(ReadOnlySpan<byte> model)
    {
        var summary = new OnnxSummary();
        try
        {
            OnnxWalk.Model(model, summary);
        }
        catch (ProtoException e)
        {
            // A file that is cut still begins like a model: its version comes first.
            throw new ModelRefusedException(e.IsCut && summary.IrVersion is > 0 and < 1000
                ? string.Create(CultureInfo.InvariantCulture, $"The model file ends early: it has {model.Length} bytes, but its own lengths ask for more. It was cut on its way here.")
                : "The file is not an ONNX model.", e);
        }

        return summary is { IrVersion: not null, HasGraph: true } ? summary : throw new ModelRefusedException("The file is not an ONNX model.");
    }

    private static string Inside(string relative) =>
        relative.Length > 0 && !Path.IsPathRooted(relative) && !relative.Split('/').Contains("..")
            ? relative
            : throw new ModelRefusedException("The model's path in the package is not allowed.");

    private static void CheckExternal(string packageFolder, string modelFolder, ExternalTensor tensor)
    {
        if (tensor.Locations.Count == 0)
        {
            throw new ModelRefusedException($"Tensor '{tensor.Tensor}' says that its data is in another file but names none.");
        }

        foreach (var location in tensor.Locations)
        {
            CheckLocation(location, tensor.Tensor);
            var full = modelFolder + "/" + location;
            var root = Real(packageFolder) ?? throw new ModelRefusedException("The package's folder cannot be opened.");
            var real = Real(full) ?? throw new ModelRefusedException($"Tensor '{tensor.Tensor}' has its data in '{location}', which is not in the package. Deploy the folder that holds both files.");
            if (!real.StartsWith(root + "/", StringComparison.Ordinal))
            {
                throw new ModelRefusedException($"Tensor '{tensor.Tensor}' has its data in '{location}', a link that leads out of the package.");
            }

            var have = new FileInfo(full).Length;
            var need = tensor.Length is { } bytes ? (Int128)tensor.Offset + bytes : tensor.Offset;
            if (need > have)
            {
                throw new ModelRefusedException($"Tensor '{tensor.Tensor}' needs {need} bytes of '{location}', which has {have}.");
            }
        }
    }

    private static void CheckLocation(string location, string tensor)
    {
        var isOutside = location.Length == 0 || Path.IsPathRooted(location) || location.Contains('\\', StringComparison.Ordinal)
            || location.Contains('\0', StringComparison.Ordinal) || location.Split('/').Contains("..");
        if (isOutside)
        {
            throw new ModelRefusedException($"Tensor '{tensor}' has its data in '{location}': only a relative path to a file of the package is allowed.");
        }
    }

    private static string? Real(string path)
    {
        var resolved = Native.RealPath(path, 0);
        try
        {
            return Marshal.PtrToStringUTF8(resolved);
        }
        finally
        {
            Native.Free(resolved);
        }
    }
}
