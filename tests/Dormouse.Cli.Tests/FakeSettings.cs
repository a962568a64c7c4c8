using Dormouse.Core.Endpoints;
using Dormouse.Protocol.Control;
using Dormouse.Server.Control;

namespace Dormouse.Cli.Tests;

/// <summary>Settings as a server shows them.</summary>
internal static class FakeSettings
{
    /// <summary>Defaults applied by the product's own rules, as a real server shows settings.</summary>
    public static RevisionSettings Applied(RevisionSettings settings)
    {
        var outcome = SpecRules.Apply(SettingsViews.Wishes(settings, settings.Signature), new MachineFacts(2, 8192));
        return SettingsViews.Settings(Assert.IsType<SpecOutcome.Accepted>(outcome).Spec, isPublic: null);
    }
}
