using System.Collections.Immutable;
using Dormouse.Protocol.Control;

namespace Dormouse.Cli.Apply;

/// <summary>What <c>dormouse.yaml</c> asks for, in the file's order.</summary>
internal sealed record WantedState(ImmutableArray<WantedEndpoint> Endpoints);

/// <param name="Source">Path (relative ones are made absolute by the file's folder) or https address.</param>
/// <param name="Settings">What was written; null where nothing was. <see cref="RevisionSettings.Signature"/> is JSON text.</param>
/// <param name="Traffic">Null = the newest revision gets all.</param>
internal sealed record WantedEndpoint(string Name, string Source, RevisionSettings Settings, bool Verify, ImmutableSortedDictionary<string, int>? Traffic);
