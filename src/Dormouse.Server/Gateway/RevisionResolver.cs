using System.Collections.Concurrent;
using Dormouse.Core.Endpoints;
using Dormouse.Core.Rollouts;
using Dormouse.Protocol;
using Dormouse.Protocol.Problems;
using Dormouse.Server.Errors;
using Dormouse.Server.Routing;
using Microsoft.AspNetCore.Http;
using Endpoint = Dormouse.Core.Endpoints.Endpoint;

namespace Dormouse.Server.Gateway;

/// <summary>The revision that an invocation runs on, or why none does.</summary>
internal readonly record struct Resolution(Revision? Revision, Problem? Problem);

/// <summary>Chooses a revision: by traffic weights, or the one that the path or a header names by number or tag, whether it carries traffic or not.</summary>
internal sealed class RevisionResolver(ICatalogue catalogue, Random random)
{
    /// <summary>Named revisions without traffic that are kept in memory; when full all are dropped and read again.</summary>
    private const int NamedMax = 1024;

    /// <summary>When to ask again while a first revision is being verified.</summary>
    private static readonly TimeSpan VerifyingDelay = TimeSpan.FromSeconds(1);

    private readonly Lock _randomLock = new();
    private readonly ConcurrentDictionary<RevisionId, Revision> _named = new();

    /// <param name="version">Of the address, or of the message with gRPC; null or empty = it names none.</param>
    /// <param name="headers">May name one, too (<see cref="DormouseHeaders.Revision"/>); with gRPC they are the call's metadata.</param>
    public ValueTask<Resolution> ResolveAsync(EndpointRoute route, string? version, IHeaderDictionary headers, CancellationToken cancellationToken)
    {
        var endpoint = route.Endpoint;
        var named = headers.TryGetValue(DormouseHeaders.Revision, out var values) ? values.ToString() : null;
        if (named is not null && !string.IsNullOrEmpty(version) && TagRules.Revision(endpoint, named) != TagRules.Revision(endpoint, version))
        {
            return new(new Resolution(null, new Problem(
                ProblemCode.RequestInvalid,
                $"Header {DormouseHeaders.Revision} is '{UrlText.Shown(named)}', but the address names '{UrlText.Shown(version)}'; allowed is one of them, or the same revision.")));
        }

        version = string.IsNullOrEmpty(version) ? named : version;
        if (endpoint.IsUnloaded)
        {
            return new(new Resolution(null, new Problem(
                ProblemCode.EndpointUnloaded, $"Endpoint '{endpoint.Name}' is unloaded. Load it with POST /v2/repository/models/{endpoint.Name}/load.")));
        }

        if (!string.IsNullOrEmpty(version))
        {
            return NamedAsync(route, version, cancellationToken);
        }

        return route.Choose(Draw(endpoint)) is { } revision ? new(new Resolution(revision, null)) : NoneAsync(endpoint, cancellationToken);
    }

    /// <summary>Why no revision carries traffic: one is still being verified, or none will be ready without another deploy.</summary>
    public async ValueTask<Resolution> NoneAsync(Endpoint endpoint, CancellationToken cancellationToken)
    {
        var newest = (await catalogue.RevisionsAsync(endpoint.Id, cancellationToken)).FirstOrDefault(r => r.State != RevisionState.Ready);
        var problem = newest switch
        {
            { State: RevisionState.Failed } => new Problem(
                newest.Spec.Kind.RunsModels ? ProblemCode.ModelInvalid : ProblemCode.CodeInvalid,
                $"Endpoint '{endpoint.Name}' has no revision that can be called: r{newest.Id.Number} was refused: {newest.Failure?.TrimEnd('.') ?? "it cannot be loaded"}. Deploy it again with {(newest.Spec.Kind.RunsModels ? "a model that loads" : "code that can be imported")}."),
            { State: RevisionState.Verifying } => new Problem(
                ProblemCode.EndpointNotReady, $"Endpoint '{endpoint.Name}' has no revision that can be called yet: r{newest.Id.Number} is being verified. Send it again in a moment.", VerifyingDelay),
            _ => new Problem(
                ProblemCode.EndpointNotReady, $"Endpoint '{endpoint.Name}' has no revision that takes traffic yet. See 'dormouse describe {endpoint.Name}'.", VerifyingDelay),
        };
        return new Resolution(null, problem);
    }

    /// <summary>A ready revision by the number or tag in an address; null when there is none.</summary>
    public async ValueTask<Revision?> FindAsync(EndpointRoute route, string version, CancellationToken cancellationToken)
    {
        return TagRules.Revision(route.Endpoint, version) is { } number ? await FindAsync(route, number, cancellationToken) : null;
    }

    /// <summary>A ready revision by its number; null when there is none.</summary>
    public async ValueTask<Revision?> FindAsync(EndpointRoute route, int number, CancellationToken cancellationToken)
    {
        foreach (var carrying in route.Revisions)
        {
            if (carrying.Id.Number == number)
            {
                return carrying;
            }
        }

        var id = new RevisionId(route.Endpoint.Id, number);
        if (_named.TryGetValue(id, out var known))
        {
            return known;
        }

        var found = await catalogue.FindRevisionAsync(id, cancellationToken);
        if (found is not { State: RevisionState.Ready })
        {
            return null;
        }

        if (_named.Count >= NamedMax)
        {
            _named.Clear();
        }

        _named[id] = found;
        return found;
    }

    /// <summary>0 to 99.</summary>
    public int DrawPercent()
    {
        // A seeded generator, as tests use, is not safe for several threads.
        lock (_randomLock)
        {
            return random.Next(100);
        }
    }

    /// <summary>0 to 1, 1 not included.</summary>
    public double DrawFraction()
    {
        lock (_randomLock)
        {
            return random.NextDouble();
        }
    }

    private async ValueTask<Resolution> NamedAsync(EndpointRoute route, string version, CancellationToken cancellationToken) =>
        await FindAsync(route, version, cancellationToken) is { } revision
            ? new Resolution(revision, null)
            : new Resolution(null, Problem.RevisionNotFound(route.Endpoint.Name, version));

    private int Draw(Endpoint endpoint)
    {
        if (endpoint.Traffic.Length < 2)
        {
            return 0;
        }

        return DrawPercent();
    }
}
