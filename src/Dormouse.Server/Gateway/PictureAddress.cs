using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using Dormouse.Core.Endpoints;
using Dormouse.Protocol.Problems;
using Dormouse.Protocol.Signatures;
using Microsoft.AspNetCore.Http;

namespace Dormouse.Server.Gateway;

/// <summary>
/// The one address under <c>/invoke</c> that a model has: a picture posted to its root, when its signature takes one. Everything else would be refused by the
/// instance, so it is refused before one is started. Programs of other kinds have the addresses that they want.
/// </summary>
internal static class PictureAddress
{
    private const string Method = "POST";

    /// <summary>Whether a revision's signature takes pictures, read once for each that is in use.</summary>
    private static readonly ConditionalWeakTable<Revision, object> TakesPictures = [];

    /// <summary>Null when the instance would take it. Sets <c>Allow</c> for a wrong method.</summary>
    public static Problem? Refusal(HttpContext context, Invocation invocation, InstanceTarget target)
    {
        if (target.Path is not { } path || !invocation.Revision.Spec.Kind.RunsModels)
        {
            return null;
        }

        var name = invocation.Endpoint.Name;
        if (path != "/")
        {
            return new Problem(ProblemCode.RouteNotFound, $"A model has no addresses of its own. POST a picture to /invoke/{name}, or tensors to /v2/models/{name}/infer.");
        }

        if (!HttpMethods.IsPost(context.Request.Method))
        {
            context.Response.Headers.Allow = Method;
            return new Problem(ProblemCode.MethodNotAllowed, $"{context.Request.Method} is not possible at /invoke/{name}; possible: {Method}, with a picture.");
        }

        if (invocation.Revision.Spec.Signature is not { } signature)
        {
            return new Problem(
                ProblemCode.RouteNotFound,
                $"Model '{name}' has no signature, so it takes no picture. Send tensors to /v2/models/{name}/infer, or deploy it with a signature (signature.yaml beside the model, or --signature).");
        }

        return (bool)TakesPictures.GetValue(invocation.Revision, _ => HasPicture(signature))
            ? null
            : new Problem(ProblemCode.MediaTypeUnsupported, $"The signature of model '{name}' has no picture input. Send tensors to /v2/models/{name}/infer, or deploy it with 'picture' in its signature.");
    }

    /// <summary>One that cannot be read is the worker's to refuse, with what is wrong.</summary>
    private static object HasPicture(string signature) => SignatureRules.Parse(signature, out ImmutableArray<string> _) is not { Picture: null };
}
