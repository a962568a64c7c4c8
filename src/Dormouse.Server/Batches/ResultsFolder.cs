namespace Dormouse.Server.Batches;

/// <summary>Where results of batch jobs are.</summary>
internal sealed record ResultsFolder(string Path);
