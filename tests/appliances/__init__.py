"""Stand-ins for KMSs that nobody can run here: they answer as the client code of KES 2025-03-12 expects.

Nothing else is known of the real ones.
"""

from appliances.base import Answer, Appliance
from appliances.ciphertrust import CipherTrust
from appliances.keycontrol import KeyControl
from appliances.sdkms import Sdkms

__all__ = ["Answer", "Appliance", "CipherTrust", "KeyControl", "Sdkms"]
