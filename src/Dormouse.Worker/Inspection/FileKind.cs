using Dormouse.Worker.Engine;

namespace Dormouse.Worker.Inspection;

/// <summary>Files that people deploy by mistake, known by their first bytes.</summary>
internal static class FileKind
{
    /// <summary>Throws with what the file is instead of a model; silent when it is none of these.</summary>
    internal static void RefuseKnownStrangers(ReadOnlySpan<byte> file)
    {
        if (file.StartsWith("version https://git-lfs"u8))
        {
            throw new ModelRefusedException("The file is a Git LFS pointer, not the model itself. Run 'git lfs pull' where it came from and deploy again.");
        }

        if (file.StartsWith("PK\u0003\u0004"u8))
        {
            throw new ModelRefusedException("The file is a zip archive (PyTorch saves models so), not an ONNX model. Export it to ONNX first.");
        }

        if (file.Length > 8 && file[4..].StartsWith("ORTM"u8))
        {
            throw new ModelRefusedException("The file is in ORT format, which fits one engine version only. Deploy the ONNX file; the server optimises it itself.");
        }

        if (file is [0x89, (byte)'H', (byte)'D', (byte)'F', ..])
        {
            throw new ModelRefusedException("The file is HDF5 (Keras saves models so), not an ONNX model. Export it to ONNX first.");
        }

        if (file.StartsWith("<!"u8) || file.StartsWith("<html"u8))
        {
            throw new ModelRefusedException("The file is a web page, not an ONNX model: the download probably needs a log-in or another address.");
        }
    }
}
