using Dormouse.Protocol.Launching;

namespace Dormouse.Worker.Tests.Support;

/// <summary>A package's folder on disk, and the talk with a worker about it.</summary>
internal sealed class ModelFolder : IDisposable
{
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("dmm");

    internal ModelFolder(byte[]? model = null)
    {
        System.IO.Directory.CreateDirectory(Package);
        if (model is not null)
        {
            Write("model.onnx", model);
        }
    }

    /// <summary>The package itself; its parent is ours too, so that a file can lie outside the package.</summary>
    internal string Package => Path.Combine(_root.FullName, "package");

    internal string Optimised => Path.Combine(_root.FullName, "optimised.ort");

    internal ModelFolder Write(string relative, byte[] content)
    {
        File.WriteAllBytes(Path.Combine(Package, relative), content);
        return this;
    }

    /// <summary>Asks a new worker what it thinks of the model; <paramref name="optimise"/> has it write <see cref="Optimised"/>.</summary>
    internal async Task<WorkerMessage> InspectAsync(bool optimise = true, Func<InspectAssignment, InspectAssignment>? change = null)
    {
        await using var worker = await TestLauncher.StartAsync();
        var folder = LibC.Open(Package, LibC.ReadOnly | LibC.Directory);
        var output = optimise ? LibC.Open(Optimised, LibC.WriteCreateTruncate) : -1;
        var assignment = new InspectAssignment { FolderDescriptor = 0, ModelPath = "model.onnx", OutputDescriptor = optimise ? 1 : null };
        worker.Assign(change?.Invoke(assignment) ?? assignment, optimise ? [folder, output] : [folder]);
        LibC.Close(folder);
        if (optimise)
        {
            LibC.Close(output);
        }

        var message = await worker.ReceiveAsync();
        Assert.Equal(0, await worker.WaitForExitAsync());
        return message;
    }

    /// <summary>Makes a generic worker serve the model.</summary>
    internal async Task<WorkerMessage> ServeAsync(TestLauncher worker, bool optimised = false, Func<ServeAssignment, ServeAssignment>? change = null)
    {
        var folder = LibC.Open(Package, LibC.ReadOnly | LibC.Directory);
        var file = optimised ? LibC.Open(Optimised, LibC.ReadOnly) : -1;
        var assignment = new ServeAssignment { FolderDescriptor = 0, ModelPath = "model.onnx", OptimisedDescriptor = optimised ? 1 : null };
        worker.Assign(change?.Invoke(assignment) ?? assignment, optimised ? [folder, file] : [folder]);
        LibC.Close(folder);
        if (optimised)
        {
            LibC.Close(file);
        }

        return await worker.ReceiveAsync();
    }

    public void Dispose() => _root.Delete(recursive: true);
}
