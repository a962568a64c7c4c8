using System.Globalization;
using Dormouse.Protocol;

namespace Dormouse.Server.Rollouts;

/// <summary>What is read of an instance's answer before it is compared.</summary>
internal static class MirrorAnswers
{
    /// <summary>Length of its JSON part; null when it names none.</summary>
    public static int? JsonLength(HttpResponseMessage response) =>
        response.Headers.NonValidated.TryGetValues(DormouseHeaders.InferenceHeaderContentLength, out var values)
        && int.TryParse(values.ToString(), NumberStyles.None, CultureInfo.InvariantCulture, out var length)
            ? length
            : null;
}
